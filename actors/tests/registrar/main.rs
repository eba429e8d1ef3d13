//! Devices that register and call, against the running program (R1, R8, R58; T9, T11, T12, T14).

#[path = "../support/call/mod.rs"]
mod support;

mod door;
mod flows;
mod phone;
mod places;
