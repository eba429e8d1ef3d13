//! The contacts of a mailbox, as Graph lists them.

use serde::Deserialize;

use super::Place;
use crate::identity::{Contact, Page};

/// Contacts in one answer.
const AT_ONCE: usize = 200;

impl Place<'_> {
    /// The first part of the mailbox's contacts. Graph filters them by mail address alone, so all are asked for.
    pub fn contacts(&self) -> String {
        let fields = "displayName,fileAs,companyName,businessPhones,homePhones,mobilePhone";
        self.user(&format!("contacts?$select={fields}&$top={AT_ONCE}"))
    }

    /// Whether a further part may be asked for there: the token goes to this service alone.
    pub fn holds(&self, url: &str) -> bool {
        url.strip_prefix(self.url).is_some_and(|rest| rest.starts_with('/'))
    }
}

#[derive(Deserialize)]
struct List {
    value: Vec<Listed>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Nothing of it is sure to be there, or to be text.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listed {
    display_name: Option<String>,
    file_as: Option<String>,
    company_name: Option<String>,
    business_phones: Option<Vec<Option<String>>>,
    home_phones: Option<Vec<Option<String>>>,
    mobile_phone: Option<String>,
}

/// Reads a part. `None`: that is no list of contacts.
pub fn contacts(body: &[u8]) -> Option<Page> {
    let list: List = serde_json::from_slice(body).ok()?;
    Some(Page { contacts: list.value.into_iter().filter_map(Listed::closed).collect(), next: list.next })
}

impl Listed {
    fn closed(self) -> Option<Contact> {
        let names = [self.display_name, self.file_as, self.company_name];
        let name = names.into_iter().flatten().find(|name| !name.trim().is_empty())?;
        let lists = [self.business_phones, self.home_phones].into_iter().flatten().flatten().flatten();
        Contact::new(&name, lists.chain(self.mobile_phone))
    }
}
