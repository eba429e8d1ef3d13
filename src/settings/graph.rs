//! `[channel.NAME] kind = "graph"`: Exchange Online by Microsoft Graph.

use std::path::PathBuf;

use super::OAuth;

/// A mailbox service that speaks Microsoft Graph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Graph {
    /// `url`: the service's root, without a slash at its end. Default `https://graph.microsoft.com/v1.0`; national clouds have others.
    pub url: String,
    /// `from`: the sender's address, and the mailbox that mails are sent from.
    pub from: String,
    /// `deliver`. Default `mime`.
    pub deliver: GraphDelivery,
    /// `ca`: a PEM file of the only certificates that are believed; else the system's.
    pub ca: Option<PathBuf>,
    /// `token_url`, `client_id`, `scope` and how the application proves itself.
    pub oauth: OAuth,
}

/// How a notice gets into the mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GraphDelivery {
    /// `mime`: sent as the same mail that SMTP would carry (Mail.Send).
    Mime,
    /// `json`: sent as Graph's own kind of message, which leaves none in Sent Items (Mail.Send).
    Json,
    /// `inbox`: put straight into the user's Inbox, with Exchange's item class (Mail.ReadWrite).
    Inbox,
}
