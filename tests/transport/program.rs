//! The real program behind mutual TLS.
