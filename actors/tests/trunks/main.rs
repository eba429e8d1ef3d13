//! Calls that leave by trunks, registrations at providers, and whole sample sites.

mod ways;
