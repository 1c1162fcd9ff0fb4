//! `urgence dev-certs`, as one who tries things uses it.
