//! Nothing of its own: the tests are in `all/`, and they know the product by its executable only.
