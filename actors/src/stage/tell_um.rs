//! The SIP stack as the UM channel sees it: an INFO to a server of the dial plan, the next one where the first fails.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use ringpost::{directory::Directory, settings::UmServer, um::notification::MEDIA_TYPE};
use tokio::sync::oneshot;

use crate::{
    channel::{InfoError, InfoSender},
    pool::{note, now, sign_of},
    port::{
        errand::{Asked, Errand, Reply},
        lanes::{Lanes, Parcel},
    },
};

/// Sends INFO through the first lane.
pub struct UmTeller {
    lanes: Lanes,
    directory: Arc<ArcSwap<Directory>>,
    embedded: Option<Arc<str>>,
}

impl UmTeller {
    /// Over those lanes; `embedded` is the URI of Ringpost's own UM.
    pub fn new(lanes: Lanes, directory: Arc<ArcSwap<Directory>>, embedded: Option<Arc<str>>) -> Self {
        Self { lanes, directory, embedded }
    }

    async fn ask(&self, uri: String, domain: &str, body: Bytes) -> Result<Reply, InfoError> {
        let (answer, answered) = oneshot::channel();
        let errand = Errand {
            method: "INFO",
            from: format!("sip:ringpost@{domain}"),
            to: uri.clone(),
            uri,
            headers: vec![("Content-Type", MEDIA_TYPE.into())],
            body,
            ..Errand::default()
        };
        if !self.lanes.send(0, Parcel::Errand(Box::new(Asked { errand, answer }))) {
            return Err(InfoError::Unreachable("the lane is busy".into()));
        }
        let reply = answered.await;
        reply.map_err(|_| InfoError::Unreachable("the lane dropped the request".into()))
    }
}

impl InfoSender for UmTeller {
    fn send_info<'a>(
        &'a self,
        plan: &'a str,
        _callee: &'a str,
        body: Bytes,
    ) -> BoxFuture<'a, Result<u16, InfoError>> {
        Box::pin(async move {
            let directory = self.directory.load_full();
            let pool = directory.pool_named(plan).ok_or(InfoError::NoServer)?;
            let um = &directory.site.um;
            let mut last = Err(InfoError::NoServer);
            for member in pool.order(um, now(), fastrand::u32(..)) {
                let uri = match &member.server {
                    UmServer::Sip(uri) => uri.clone(),
                    UmServer::Embedded => match &self.embedded {
                        Some(uri) => uri.to_string(),
                        None => continue,
                    },
                };
                let reply = self.ask(uri, &directory.site.sip.domain, body.clone()).await?;
                note(&member, sign_of(reply.code, reply.message.as_ref()), &um.rules);
                last = match reply.code {
                    408 => Err(InfoError::TimedOut),
                    code => Ok(code),
                };
                // A server that answers anything but its own failure has decided.
                if matches!(last, Ok(code) if code < 500 || code == 501 || code == 505 || code == 513 || code >= 600)
                {
                    return last;
                }
            }
            last
        })
    }
}
