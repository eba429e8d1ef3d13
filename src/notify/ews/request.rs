//! Requests: SOAP 1.1 envelopes with the elements in the order of the schema.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{
    KEY_PROPERTY, PROPERTY_SET,
    xml::{element, escaped},
};
use crate::{
    notify::{
        Letter,
        mail::{MailError, compose, headers},
        wording::Shown,
    },
    outbox::Key,
    settings::{Ews, EwsAccess},
};

/// The media type of requests and answers.
pub const MEDIA_TYPE: &str = "text/xml; charset=utf-8";
/// The namespace of a SOAP envelope.
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";

/// Puts a notice into the Inbox of its user, whole and at once: the mail as MIME, so that no item is ever seen without
/// its recording, with the class and the properties that make it a missed call or a voice mail (PROTOCOLS §7.1).
/// `posted` is as in [`compose`]; the same arguments give the same request.
pub fn create(settings: &Ews, letter: &Letter<'_>, posted: Timestamp) -> Result<String, MailError> {
    let mail = compose(letter, &settings.from, posted)?;
    let mailbox = letter.notice.mail.as_deref().ok_or(MailError::NoAddress)?;
    let mut body = String::from(r#"<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId>"#);
    folder(&mut body, "inbox", settings.access, mailbox);
    body.push_str("</m:SavedItemFolderId><m:Items><t:Message>");
    element(&mut body, r#"t:MimeContent CharacterSet="UTF-8""#, &STANDARD.encode(mail.formatted()));
    element(&mut body, "t:ItemClass", letter.form().item_class());
    element(&mut body, "t:Subject", &letter.words.subject);
    properties(&mut body, letter);
    element(&mut body, "t:IsRead", "false");
    body.push_str("</t:Message></m:Items></m:CreateItem>");
    Ok(envelope(settings, mailbox, &body))
}

/// Looks for the notice where an earlier try may have put it, or where its user may have put it since.
pub fn find(settings: &Ews, mailbox: &str, key: &Key) -> String {
    let mut body = String::from(
        r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"#,
    );
    let uri = format!(
        r#"<t:ExtendedFieldURI PropertySetId="{PROPERTY_SET}" PropertyName="{KEY_PROPERTY}" PropertyType="String"/>"#
    );
    body.push_str(&uri);
    body.push_str("</t:AdditionalProperties></m:ItemShape>");
    body.push_str(r#"<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Beginning"/>"#);
    body.push_str("<m:Restriction><t:IsEqualTo>");
    body.push_str(&uri);
    body.push_str(&format!(
        r#"<t:FieldURIOrConstant><t:Constant Value="{}"/></t:FieldURIOrConstant>"#,
        escaped(key.as_str())
    ));
    body.push_str("</t:IsEqualTo></m:Restriction><m:ParentFolderIds>");
    folder(&mut body, "inbox", settings.access, mailbox);
    // A delegate has rights on the Inbox, and seldom on more.
    if settings.access == EwsAccess::Impersonation {
        folder(&mut body, "deleteditems", settings.access, mailbox);
    }
    body.push_str("</m:ParentFolderIds></m:FindItem>");
    envelope(settings, mailbox, &body)
}

/// Asks for the Inbox itself: proves that the mailbox is there and may be used, and changes nothing.
pub fn inbox(settings: &Ews, mailbox: &str) -> String {
    let mut body = String::from(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>",
    );
    folder(&mut body, "inbox", settings.access, mailbox);
    body.push_str("</m:FolderIds></m:GetFolder>");
    envelope(settings, mailbox, &body)
}

/// The properties of PROTOCOLS §7.1, each with its twin among the internet headers, and our own key.
fn properties(body: &mut String, letter: &Letter<'_>) {
    let key = Key::of(letter.notice);
    // PidTagMessageFlags, neither unsent nor read: without it the item shows as a draft, and it counts at creation only.
    property(body, r#"PropertyTag="0x0E07" PropertyType="Integer""#, "0");
    let own =
        format!(r#"PropertySetId="{PROPERTY_SET}" PropertyName="{KEY_PROPERTY}" PropertyType="String""#);
    property(body, &own, key.as_str());
    for (header, value) in headers(letter, &Shown::of(letter.notice)) {
        let (tag, kind) = match header {
            "X-VoiceMessageDuration" => ("0x6801", "Integer"),
            "X-CallingTelephoneNumber" => ("0x6802", "String"),
            "X-VoiceMessageSenderName" => ("0x6803", "String"),
            "X-AttachmentOrder" => ("0x6805", "String"),
            "X-CallID" => ("0x6806", "String"),
            _ => continue,
        };
        property(body, &format!(r#"PropertyTag="{tag}" PropertyType="{kind}""#), &value);
        let twin = format!(
            r#"DistinguishedPropertySetId="InternetHeaders" PropertyName="{header}" PropertyType="String""#
        );
        property(body, &twin, &value);
    }
}

fn property(body: &mut String, field: &str, value: &str) {
    body.push_str(&format!("<t:ExtendedProperty><t:ExtendedFieldURI {field}/>"));
    element(body, "t:Value", value);
    body.push_str("</t:ExtendedProperty>");
}

pub(super) fn folder(body: &mut String, name: &str, access: EwsAccess, mailbox: &str) {
    match access {
        // Who is impersonated owns the folder.
        EwsAccess::Impersonation => body.push_str(&format!(r#"<t:DistinguishedFolderId Id="{name}"/>"#)),
        EwsAccess::Delegate => {
            body.push_str(&format!(r#"<t:DistinguishedFolderId Id="{name}"><t:Mailbox>"#));
            element(body, "t:EmailAddress", mailbox);
            body.push_str("</t:Mailbox></t:DistinguishedFolderId>");
        }
    }
}

/// An envelope in which nobody is impersonated.
pub fn plain_envelope(settings: &Ews, body: &str) -> String {
    enveloped(&version(settings), body)
}

/// The element that says that times are UTC.
pub fn utc() -> &'static str {
    "<t:TimeZone><t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder>\
     <t:Month>1</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias>\
     <t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>1</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>\
     </t:DaylightTime></t:TimeZone>"
}

fn version(settings: &Ews) -> String {
    format!(r#"<t:RequestServerVersion Version="{}"/>"#, settings.version.name())
}

pub(super) fn envelope(settings: &Ews, mailbox: &str, body: &str) -> String {
    let mut header = version(settings);
    if settings.access == EwsAccess::Impersonation {
        header.push_str("<t:ExchangeImpersonation><t:ConnectingSID>");
        element(&mut header, "t:PrimarySmtpAddress", mailbox);
        header.push_str("</t:ConnectingSID></t:ExchangeImpersonation>");
    }
    enveloped(&header, body)
}

fn enveloped(header: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}
