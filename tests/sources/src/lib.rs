//! Empty: this package only pins sources. See `Cargo.toml`.
