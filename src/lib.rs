//! The pure half of Ringpost: it decides, and touches nothing. Time and random numbers come in as arguments.
//!
//! In reading order:
//!
//! - [`call`]: one call as a machine: an event in, effects out. `call::wire` turns SIP into events and back.
//! - [`policy`]: what a user wants of the own calls, as the plan of a call; feature codes.
//! - [`notify`]: was it missed, who tells, and in which words; `notify::decide` is the one place.
//! - [`oauth`]: tokens of an identity provider, for the channels that need one.
//! - [`outbox`]: what becomes of a notice after each try.
//! - [`sip`]: messages, transactions, dialogs, and which headers cross a leg (RFC 3261 and its successors).
//! - [`um`]: the body of the SIP INFO that tells UM of a missed call.
//! - [`voicemail`]: greeting, beep, recording; RTP, DTMF and G.711.
//! - [`directory`]: who is called under a number, and what a number is called.
//! - [`identity`]: what callers are called who are no users: books of contacts.
//! - [`numbers`]: numbers as trunks write them, and the one form in which they are compared.
//! - [`calendar`]: free and busy times of users, as servers tell them.
//! - [`presence`]: what is known of users and told to watchers: inputs, their sum, views, documents.
//! - [`rcc`]: remote call control, CSTA in XML (ECMA-323, TR/87).
//! - [`registrar`]: what a REGISTER makes of a user's bindings, and where calls to the user go.
//! - [`security`]: what strangers may do, and when they are not heard any more.
//! - [`doctor`]: what `ringpost doctor` says of a site, and what it advises.
//! - [`book`]: the address book that devices fetch, whole or what has changed.
//! - [`web`]: who asks by HTTP, and from where.
//! - [`settings`]: a site, checked. [`address`]: names parsed once at the edge. [`xml`]: documents of strangers, and our own.
//!   [`counted`]: numbers of things, for people to read.

#![forbid(unsafe_code)]

pub mod address;
pub mod book;
pub mod calendar;
pub mod call;
pub mod counted;
pub mod directory;
pub mod doctor;
pub mod identity;
pub mod notify;
pub mod numbers;
pub mod oauth;
pub mod outbox;
pub mod policy;
pub mod presence;
pub mod rcc;
pub mod registrar;
pub mod security;
pub mod settings;
pub mod sip;
pub mod um;
pub mod voicemail;
pub mod web;
pub mod xml;
