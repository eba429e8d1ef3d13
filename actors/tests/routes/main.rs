//! Numbers outside leave by routes (R34–R37, R70, R72; T19, T35): the choice by tables and random histories, the dry run, and
//! calls of the whole program.

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod phone;

mod calls;
mod choice;
mod dry_run;
mod gateways;
mod sample;
