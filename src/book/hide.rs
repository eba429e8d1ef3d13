//! Who is left out of the book.

use super::{Entry, Number};
use crate::{directory::person::Person, numbers::lines, settings::User};

/// One rule of `[book] hide`: `sip:boss@example.com`, `+4930555*`, `department=Security`, `msExchHideFromAddressLists=TRUE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hide {
    /// The attribute; `None`: the address, the mail address and every number.
    attribute: Option<String>,
    /// In lower case; `*` stands for anything.
    pattern: String,
}

impl Hide {
    /// Reads a rule. A `=` is part of no address, and of no number but that of a line, `+4544890101;ext=200`.
    ///
    /// # Errors
    /// What it lacks.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let is_line = text.to_ascii_lowercase().contains(";ext=");
        let (attribute, pattern) = match text.split_once('=').filter(|_| !is_line) {
            Some((attribute, pattern)) => (Some(attribute.trim().to_ascii_lowercase()), pattern.trim()),
            None => (None, text.trim()),
        };
        if pattern.is_empty() || attribute.as_deref() == Some("") {
            return Err("wants an address, a number or ATTRIBUTE=VALUE, with * for anything");
        }
        Ok(Self { attribute, pattern: pattern.to_lowercase() })
    }

    /// Whether it leaves a user of the site out.
    pub fn hides_user(&self, user: &User) -> bool {
        match self.attribute.as_deref() {
            None => {
                let named = std::iter::once(&user.address).chain(&user.mail).chain(&user.numbers);
                named.into_iter().any(|value| self.fits(value))
            }
            Some("name") => user.name.iter().any(|name| self.fits(name)),
            Some("mail") => user.mail.iter().any(|mail| self.fits(mail)),
            Some(_) => false,
        }
    }

    /// Whether it leaves a person of the directory out.
    pub fn hides_person(&self, person: &Person) -> bool {
        let any = |values: &[Option<&str>]| values.iter().flatten().any(|value| self.fits(value));
        match self.attribute.as_deref() {
            None => {
                let numbers = person.numbers.iter().map(|number| &number.text);
                let mut named = person.sip.iter().chain(&person.mails).chain(numbers);
                named.any(|value| self.fits(value))
            }
            Some("name") => any(&[Some(&person.name)]),
            Some("company") => any(&[person.company.as_deref()]),
            Some("department") => any(&[person.department.as_deref()]),
            Some("title") => any(&[person.title.as_deref()]),
            Some("mail") => person.mails.iter().any(|mail| self.fits(mail)),
            Some("dn") => any(&[Some(&person.dn)]),
            Some(other) => {
                let mut values = person.further.iter().filter(|(name, _)| name.eq_ignore_ascii_case(other));
                values.any(|(_, value)| self.fits(value))
            }
        }
    }

    /// Whether it leaves an entry out by one of its numbers in the normal form, however they are written where it comes from.
    pub fn hides_entry(&self, entry: &Entry) -> bool {
        let fits = |number: &Number| match &number.ext {
            Some(ext) => self.fits(&lines::with_extension(&number.number, ext)) || self.fits(&number.number),
            None => self.fits(&number.number),
        };
        self.attribute.is_none() && entry.numbers.iter().any(fits)
    }

    /// Whether a value fits the pattern, in any case.
    fn fits(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        let mut parts = self.pattern.split('*');
        let Some(mut rest) = parts.next().and_then(|first| value.strip_prefix(first)) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Kind;

    #[test]
    fn a_rule_hides_whom_it_names() {
        let ada = Person {
            name: "Ada".into(),
            sip: Some("sip:ada@corp.test".into()),
            department: Some("Security".into()),
            further: vec![("msExchHideFromAddressLists".into(), "TRUE".into())],
            dn: "CN=Ada,OU=Secret,DC=corp".into(),
            ..Person::default()
        };
        for (rule, hides) in [
            ("sip:ada@corp.test", true),
            ("SIP:ADA@*", true),
            ("sip:ad", false),
            ("*", true),
            ("s*a*a@*t", true),
            ("s*aa@*t", false),
            ("department=sec*", true),
            ("department=sec", false),
            ("company=*", false),
            ("msexchhidefromaddresslists=true", true),
            ("dn=*,ou=secret,*", true),
            ("other=*", false),
        ] {
            assert_eq!(Hide::read(rule).expect("a rule").hides_person(&ada), hides, "{rule}");
        }
        let number = |number: &str, ext: Option<&str>| Number {
            kind: Kind::Work,
            number: number.into(),
            ext: ext.map(str::to_owned),
        };
        let entry = Entry {
            numbers: vec![number("+4930123456", None), number("+4544890101", Some("200"))],
            ..Entry::default()
        };
        for (rule, hides) in [
            ("+4930*", true),
            ("+4544890101;ext=200", true),
            ("+4544890101", true),
            ("+4544890101;ext=201", false),
            ("+49301", false),
            ("name=*", false),
        ] {
            assert_eq!(Hide::read(rule).expect("a rule").hides_entry(&entry), hides, "{rule}");
        }
        assert!(Hide::read("=x").is_err() && Hide::read("x=").is_err() && Hide::read(" ").is_err());
    }
}
