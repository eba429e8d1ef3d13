//! The services that act on calls: the call's own actor does them, and says whether it could.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    directory::Directory,
    rcc::{Connection, Edition, Refusal, Request, Response, error_body, line::Device, response_body},
};

use super::{dialogs::Dialogs, requests::Asked};
use crate::{
    call::{Controlled, Deed},
    metrics::METRICS,
    switch::Switch,
};

/// Calls that one user may have when a program begins another.
const CALLS: usize = 8;

impl Dialogs {
    /// Does what a request wants of a call; `None`: it is answered when that is done.
    pub(super) fn controls(
        &self,
        switch: &Switch,
        directory: &Directory,
        (tag, edition, wanted): (u64, Edition, Request),
        asked: &Asked,
    ) -> Option<Result<Response, Refusal>> {
        let (service, connection, deed) = match wanted {
            Request::MakeCall { device, called } => {
                return Some(self.make_call(switch, directory, tag, (&device, &called)));
            }
            Request::AnswerCall(connection) => ("AnswerCall", connection, Deed::Answer),
            Request::ClearConnection(connection) => ("ClearConnection", connection, Deed::Clear),
            Request::DeflectCall { connection, to } => {
                ("DeflectCall", connection, Deed::Deflect(Device::of(&to).number))
            }
            Request::HoldCall(connection) => ("HoldCall", connection, Deed::Hold),
            Request::RetrieveCall(connection) => ("RetrieveCall", connection, Deed::Retrieve),
            _ => return Some(Err(Refusal::NotSupported)),
        };
        let (user, live) = match self.call(directory, tag, &connection) {
            Ok(found) => found,
            Err(refusal) => return Some(Err(refusal)),
        };
        let Some(call) = live.call else {
            // A PBX carries it, and nobody asks that.
            return Some(Err(Refusal::NotSupported));
        };
        let done = call.send(Controlled(user.address.as_str().into(), deed));
        let (asked, dialogs) = (asked.clone(), Rc::clone(switch.dialogs()));
        actix::spawn(async move {
            // A call that has ended meanwhile is no call.
            let body = match done.await.unwrap_or(Err(Refusal::InvalidCall)) {
                Ok(()) => response_body(edition, &Response::Done(service.into())),
                Err(refusal) => {
                    METRICS.rcc_refused_total.one();
                    error_body(edition, refusal)
                }
            };
            dialogs.reply(tag, &asked, 200, Some(&body));
        });
        None
    }

    /// The user's telephones ring, and whoever takes one calls that number.
    fn make_call(
        &self,
        switch: &Switch,
        directory: &Directory,
        tag: u64,
        (device, called): (&str, &str),
    ) -> Result<Response, Refusal> {
        let user = self.owner(directory, tag, device)?;
        if self.rcc.calls_of(&user.address).len() >= CALLS {
            return Err(Refusal::Resources);
        }
        let name = u64::from(self.port.random()) << 32 | u64::from(self.port.random());
        let name: Arc<str> = format!("{name:016x}").into();
        switch.click(&user, &Device::of(called).number, Arc::clone(&name))?;
        Ok(Response::MakeCall(Connection { call: name.to_string(), device: device.to_owned() }))
    }
}
