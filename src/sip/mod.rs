//! SIP.

pub mod sdp;
