//! What Ringpost's own UM tells at the end of its calls, also of those that a crash has ended.

use std::sync::Arc;

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    address::UserClass,
    call::Outcome,
    directory::Directory,
    notify::{Filter, Kind, Notice, UmAction, um_decides},
    outbox::{Entries, Item, Way, Wish, items},
    settings::Notices,
};
use serde::{Deserialize, Serialize};

use crate::{
    outbox::{Outbox, PostAll},
    voicemail::{Recording, Recovered, told},
};

/// What a session knows of its call: everything that its notice will need, even after a crash.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Context {
    /// The notice of a call that left no message.
    pub(super) notice: Notice,
    /// Who tells the user about missed calls.
    pub(super) class: UserClass,
    /// The user's filter that the call is caught by.
    #[serde(default)]
    pub(super) filter: Option<Filter>,
    /// The caller's INVITE is urgent.
    #[serde(default)]
    pub(super) urgent: bool,
    /// The user's own channels; none after a crash, when the directory knows them.
    #[serde(skip)]
    pub(super) channels: Entries,
    /// What the user wants of the notice of a call that left no message.
    #[serde(skip)]
    pub(super) wish: Wish,
    /// How the user is told; after a crash the directory knows it.
    #[serde(skip)]
    pub(super) notices: Arc<Notices>,
}

impl Context {
    pub(super) fn call_id(&self) -> &str {
        &self.notice.call_id
    }

    /// The items to post at the end of a call; none where nothing is to be told.
    pub(super) fn items(&self, recording: Option<&Recording>) -> Vec<Item> {
        let takes_voice_mail = self.notices.filters.voice_mail;
        let verdict = um_decides(self.class, recording.is_some(), (self.filter, takes_voice_mail));
        tracing::info!(call = self.notice.call_id, action = ?verdict.action, reason = %verdict.reason, "UM decided");
        let mut notice = self.notice.clone();
        match (verdict.action, recording) {
            (UmAction::VoiceMail, Some(recording)) => {
                let Recording { path, duration, .. } = recording;
                notice.kind =
                    Kind::VoiceMail { recording: path.clone(), duration: *duration, urgent: self.urgent };
                notice.outcome = Outcome::LeftMessage;
            }
            (UmAction::Missed, _) => {}
            (UmAction::VoiceMail, None) | (UmAction::Silent, _) => return Vec::new(),
        }
        let mut wish = if notice.kind == Kind::Missed { self.wish.clone() } else { Wish::default() };
        // The hours count that it is now, after the message, whatever they were when the call came in.
        wish.hold = self.notices.hours.hold(&notice, Timestamp::now());
        told_by(&self.channels, notice, &wish)
    }
}

/// Tells what an earlier run of Ringpost had recorded and not told.
pub async fn tell_recovered(directory: Arc<Directory>, outbox: Addr<Outbox>, recovered: Vec<Recovered>) {
    for Recovered { context, recording } in recovered {
        let Ok(mut context) = serde_json::from_value::<Context>(context) else {
            tracing::error!(path = %recording.path.display(), "A recovered recording does not say whose it is");
            continue;
        };
        if let Some(user) = directory.by_address(&context.notice.user) {
            context.channels = user.channels.clone();
            context.notices = Arc::clone(&user.notices);
        }
        post(&outbox, context.items(Some(&recording))).await;
        if let Err(error) = told(&recording.path) {
            tracing::error!(%error, "A recording's note could not be removed");
        }
    }
}

/// The notice by these channels. A user without any has lost them to a change of the site: by mail the notice is a dead
/// letter at least.
pub(super) fn told_by(channels: &Entries, notice: Notice, wish: &Wish) -> Vec<Item> {
    let posted = Timestamp::now();
    match items(&notice, channels, posted, wish) {
        none if none.is_empty() => vec![Item::new(notice, Way::mail(), posted)],
        items => items,
    }
}

/// Posts the items of a notice; true once they are on the disk.
pub(super) async fn post(outbox: &Addr<Outbox>, items: Vec<Item>) -> bool {
    let Some(call) = items.first().map(|item| item.notice.call_id.clone()) else { return true };
    match outbox.send(PostAll(items)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(call, %error, "A notice could not be written");
            false
        }
        Err(error) => {
            tracing::error!(call, %error, "The outbox does not take notices");
            false
        }
    }
}
