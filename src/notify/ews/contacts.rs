//! The contacts of a mailbox: which are asked for, and what an answer says of them.

use super::{
    answer::AnswerError,
    request::{envelope, folder},
    xml::{Element, elements},
};
use crate::{
    identity::{Contact, Page},
    settings::Ews,
};

/// Contacts in one answer: some 3 KiB each where every number is there, so that an answer stays below 1 MiB.
const AT_ONCE: usize = 200;

/// The numbers of a contact by their keys in the schema of 2010, but for the assistant's, who is somebody else, and telex.
const NUMBERS: [&str; 17] = [
    "BusinessFax",
    "BusinessPhone",
    "BusinessPhone2",
    "Callback",
    "CarPhone",
    "CompanyMainPhone",
    "HomeFax",
    "HomePhone",
    "HomePhone2",
    "Isdn",
    "MobilePhone",
    "OtherFax",
    "OtherTelephone",
    "Pager",
    "PrimaryPhone",
    "RadioPhone",
    "TtyTddPhone",
];

/// Asks for a part of the mailbox's contacts: the first one, or what [`Page::next`] says.
///
/// Not for those with a number: a restriction compares texts, and people write numbers as they like.
pub fn request(settings: &Ews, mailbox: &str, next: Option<&str>) -> String {
    let offset: u32 = next.and_then(|next| next.parse().ok()).unwrap_or_default();
    let mut body = String::from(
        r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"#,
    );
    for field in ["FileAs", "DisplayName", "CompanyName"] {
        body.push_str(&format!(r#"<t:FieldURI FieldURI="contacts:{field}"/>"#));
    }
    for key in NUMBERS {
        body.push_str(&format!(r#"<t:IndexedFieldURI FieldURI="contacts:PhoneNumber" FieldIndex="{key}"/>"#));
    }
    body.push_str("</t:AdditionalProperties></m:ItemShape>");
    body.push_str(&format!(
        r#"<m:IndexedPageItemView MaxEntriesReturned="{AT_ONCE}" Offset="{offset}" BasePoint="Beginning"/>"#
    ));
    body.push_str("<m:ParentFolderIds>");
    folder(&mut body, "contacts", settings.access, mailbox);
    body.push_str("</m:ParentFolderIds></m:FindItem>");
    envelope(settings, mailbox, &body)
}

/// Reads an answer that is a success.
pub fn read(body: &[u8], asked: Option<&str>) -> Result<Page, AnswerError> {
    let mut open = Vec::<Open>::new();
    let mut page = Page::default();
    let mut folder = false;
    for element in elements(body)? {
        match element.name.as_str() {
            "RootFolder" => {
                folder = true;
                page.next = next(&element, asked);
            }
            "Contact" => open.push(Open { depth: element.depth, ..Open::default() }),
            name => {
                // What follows a contact at its own depth is another item, such as a distribution list.
                if let Some(contact) = open.last_mut() {
                    contact.ended |= element.depth <= contact.depth;
                    contact.take(name, &element);
                }
            }
        }
    }
    page.contacts = open.into_iter().filter_map(Open::closed).collect();
    if folder { Ok(page) } else { Err(AnswerError::NotSoap) }
}

/// Where the next part begins; a server that does not get on is not followed.
fn next(folder: &Element, asked: Option<&str>) -> Option<String> {
    let before: u32 = asked.and_then(|asked| asked.parse().ok()).unwrap_or_default();
    let is_last = folder.attribute("IncludesLastItemInRange").is_none_or(|last| last == "true");
    let offset: u32 = folder.attribute("IndexedPagingOffset")?.parse().ok()?;
    (!is_last && offset > before).then(|| offset.to_string())
}

#[derive(Default)]
struct Open {
    depth: usize,
    ended: bool,
    /// By preference: what it is shown as, what it is filed as, the company's.
    names: [String; 3],
    numbers: Vec<String>,
}

impl Open {
    fn take(&mut self, name: &str, element: &Element) {
        match name {
            _ if self.ended => {}
            "DisplayName" => self.names[0].clone_from(&element.text),
            "FileAs" => self.names[1].clone_from(&element.text),
            "CompanyName" => self.names[2].clone_from(&element.text),
            "Entry" if element.attribute("Key").is_some_and(|key| NUMBERS.contains(&key)) => {
                self.numbers.push(element.text.clone());
            }
            _ => {}
        }
    }

    fn closed(self) -> Option<Contact> {
        let name = self.names.iter().find(|name| !name.trim().is_empty())?;
        Contact::new(name, self.numbers)
    }
}
