//! The shared contracts, generated once: `crossdock::core::types`, `crossdock::canonical::...`.
//! Every connector uses these same types, so helpers can be shared between them.

crossdock_sdk_macro::shared!();
