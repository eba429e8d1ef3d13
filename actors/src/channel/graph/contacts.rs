//! The contacts of a mailbox of Exchange Online.

use futures_util::future::BoxFuture;
use ringpost::{
    identity::Page,
    notify::graph::{Judgement, Place, Whose, contacts},
};

use super::{
    super::contacts::{Contacts, Unlisted},
    Graph,
    service::Trouble,
};

impl Graph {
    async fn listed(&self, mailbox: &str, next: Option<&str>) -> Result<Page, Unlisted> {
        let place = Place { url: &self.settings.url, mailbox };
        let url = next.map_or_else(|| place.contacts(), str::to_owned);
        let asked = self.service.get_page(&url).await;
        let answer = asked.map_err(|trouble| down(trouble, self))?;
        match answer.status.as_u16() {
            200 if answer.whole => {}
            200 => return Err(Unlisted::Down("Graph's answer has no end".to_owned())),
            // The application has no right to this mailbox's contacts, or the mailbox is none.
            403 | 404 => return Err(Unlisted::Closed(format!("Graph answered {}", answer.status.as_u16()))),
            _ => return Err(down(Trouble::judged(&answer, 200, Whose::User), self)),
        }
        let page = contacts(&answer.body);
        let page = page.ok_or_else(|| Unlisted::Down("Graph's answer is no list of contacts".to_owned()))?;
        Ok(Page { next: page.next.filter(|next| place.holds(next)), ..page })
    }
}

fn down(trouble: Trouble, graph: &Graph) -> Unlisted {
    match trouble {
        Trouble::Judged { judgement: Judgement::Never(reason), .. } => Unlisted::Closed(reason),
        Trouble::Judged { judgement: Judgement::Later(reason) | Judgement::Down(reason), .. } => {
            Unlisted::Down(reason)
        }
        other => Unlisted::of(other.delivery(graph.service.patience())),
    }
}

impl Contacts for Graph {
    fn page<'a>(&'a self, mailbox: &'a str, next: Option<&'a str>) -> BoxFuture<'a, Result<Page, Unlisted>> {
        Box::pin(self.listed(mailbox, next))
    }
}
