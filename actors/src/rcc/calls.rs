//! The services that act on calls.

use ringpost::{
    directory::Directory,
    rcc::{Refusal, Request, Response},
};

use super::dialogs::Dialogs;
use crate::switch::Switch;

impl Dialogs {
    /// Does what a request wants of a call.
    pub(super) fn controls(
        &self,
        _switch: &Switch,
        directory: &Directory,
        tag: u64,
        wanted: Request,
    ) -> Result<Response, Refusal> {
        match wanted {
            Request::ClearConnection(connection) => {
                let (_, live) = self.call(directory, tag, &connection)?;
                live.call.do_send(crate::call::End);
                Ok(Response::Done("ClearConnection".into()))
            }
            _ => Err(Refusal::NotSupported),
        }
    }
}
