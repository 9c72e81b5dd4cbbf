//! An issuer, a projected volume and an STS to test against.
