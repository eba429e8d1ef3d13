//! A connector that breaks is started again alone (R118, T39).
