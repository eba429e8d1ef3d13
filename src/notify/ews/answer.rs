//! Answers: response messages or a SOAP fault, and what of them matters.

use std::time::Duration;

use super::{
    codes::{Fate, fate},
    xml::{Element, elements},
};
use crate::{notify::clean::one_line, outbox::Key};

pub use super::xml::XmlError;

/// A server that asks for more is asked again sooner, so that a slip there buries no notice.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);

/// One response message, or the fault in their place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// `ResponseCode`.
    pub code: String,
    /// `BackOffMilliseconds`: how long the server wants to be left alone.
    pub back_off: Option<Duration>,
    /// Items that it names.
    pub items: usize,
    /// Values of extended properties.
    pub values: Vec<String>,
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// No XML that is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// No SOAP envelope with response messages or a fault.
    #[error("the answer is no SOAP answer")]
    NotSoap,
}

/// Reads an answer; there is at least one message.
pub fn read(body: &[u8]) -> Result<Vec<Told>, AnswerError> {
    let elements = elements(body)?;
    if elements[0].name != "Envelope" {
        return Err(AnswerError::NotSoap);
    }
    let mut told: Vec<Told> = Vec::new();
    for element in &elements {
        let begins = element.name == "Fault" || element.name.ends_with("ResponseMessage");
        if begins {
            told.push(Told::default());
        }
        if let Some(told) = told.last_mut() {
            told.take(element);
        }
    }
    match told.is_empty() || told.iter().any(|told| told.code.is_empty()) {
        true => Err(AnswerError::NotSoap),
        false => Ok(told),
    }
}

impl Told {
    fn take(&mut self, element: &Element) {
        match element.name.as_str() {
            "ResponseCode" => self.code = one_line(&element.text, 80),
            // `a:ErrorServerBusy`; the detail may say it again.
            "faultcode" if self.code.is_empty() => {
                let code = element.text.rsplit(':').next().unwrap_or_default();
                self.code = one_line(code, 80);
            }
            "Value" if element.attribute("Name") == Some("BackOffMilliseconds") => {
                let asked = element.text.parse().map(Duration::from_millis);
                self.back_off = asked.ok().map(|asked| asked.min(LONGEST_BACK_OFF));
            }
            "Value" if element.attribute("Name").is_none() => self.values.push(element.text.clone()),
            "ItemId" => self.items += 1,
            _ => {}
        }
    }

    /// What becomes of the notice.
    pub fn fate(&self) -> Fate {
        fate(&self.code)
    }
}

/// The first message that is no success; `None`: all are.
pub fn trouble(told: &[Told]) -> Option<&Told> {
    told.iter().find(|told| told.fate() != Fate::Done)
}

/// Whether a search has found the notice. What has another key, or none, is not it.
pub fn found(told: &[Told], key: &Key) -> bool {
    told.iter().any(|told| told.values.iter().any(|value| value == key.as_str()))
}
