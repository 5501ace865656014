//! (lead's note) Being written by another helper since 06:20; SDK author: do not touch avatax, karrio and shopify, go on with tryton and inventree.
