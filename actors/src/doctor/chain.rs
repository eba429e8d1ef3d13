//! Steps that follow one another, and how chains of them run: all at once, each step in its time, all in theirs.

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use futures_util::{StreamExt, future::LocalBoxFuture, stream};
use ringpost::{
    doctor::{Found, Step, Verdict, complete},
    notify::clean::one_line,
};
use tokio::{sync::oneshot, time::Instant};

/// Chains under way at once.
const AT_ONCE: usize = 64;
/// All of it may take so many times what a step may take.
const WHOLE: u32 = 12;
/// The longest line about what was found.
const LONGEST: usize = 400;

/// Where a chain writes down what it finds, step by step.
#[derive(Clone)]
pub struct Sheet(Rc<RefCell<Written>>);

struct Written {
    found: Vec<(Found, Duration)>,
    since: Instant,
}

/// The end of a chain: the steps behind it are skipped.
pub type End = Option<()>;

/// Steps of which each needs the one before.
pub struct Chain {
    steps: Vec<String>,
    sheet: Sheet,
    work: LocalBoxFuture<'static, End>,
}

impl Chain {
    /// These steps, done by `work`, which writes one line for each on its sheet.
    pub fn new<F: Future<Output = End> + 'static>(
        steps: impl IntoIterator<Item = String>,
        work: impl FnOnce(Sheet) -> F,
    ) -> Self {
        let sheet = Sheet(Rc::new(RefCell::new(Written { found: vec![], since: Instant::now() })));
        Self { steps: steps.into_iter().collect(), sheet: sheet.clone(), work: Box::pin(work(sheet)) }
    }

    /// One step.
    pub fn one<F: Future<Output = End> + 'static>(step: &str, work: impl FnOnce(Sheet) -> F) -> Self {
        Self::new([step.to_owned()], work)
    }

    /// The names of its steps.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Runs to its end, or to the step that takes longer than `patience`.
    async fn run(self, patience: Duration) {
        let Self { sheet, work, .. } = self;
        sheet.0.borrow_mut().since = Instant::now();
        let mut task = actix::spawn(work);
        loop {
            let before = sheet.len();
            match tokio::time::timeout(patience, &mut task).await {
                Ok(Ok(_)) => return,
                Ok(Err(_)) => {
                    let remedy = "This is a fault of Ringpost and worth a report.".to_owned();
                    sheet.failed("the doctor itself broke down here", remedy);
                    return;
                }
                Err(_) if sheet.len() > before => {}
                Err(_) => {
                    task.abort();
                    let said = format!("did not end within {patience:?}");
                    let remedy =
                        "See whether a firewall drops what is sent there; --timeout allows more time.";
                    sheet.failed(&said, remedy.to_owned());
                    return;
                }
            }
        }
    }
}

impl Sheet {
    fn len(&self) -> usize {
        self.0.borrow().found.len()
    }

    fn write(&self, verdict: Verdict, said: &str, remedy: Option<String>) {
        let mut written = self.0.borrow_mut();
        let took = written.since.elapsed();
        written.since = Instant::now();
        written.found.push((Found { verdict, said: one_line(said, LONGEST), remedy }, took));
    }

    /// As it should be.
    pub fn ok(&self, said: &str) {
        self.write(Verdict::Ok, said, None);
    }

    /// Worth knowing.
    pub fn note(&self, said: &str, remedy: Option<String>) {
        self.write(Verdict::Note, said, remedy);
    }

    /// It works for now.
    pub fn warns(&self, said: &str, remedy: String) {
        self.write(Verdict::Warning, said, Some(remedy));
    }

    /// It could not be looked at.
    pub fn skips(&self, said: &str) {
        self.write(Verdict::Skipped, said, None);
    }

    /// It does not work; the chain ends.
    pub fn failed(&self, said: &str, remedy: String) -> End {
        self.write(Verdict::Failed, said, Some(remedy));
        None
    }
}

/// Runs all of them; every step has its verdict, in the order of the chains.
pub async fn run(chains: Vec<Chain>, patience: Duration) -> Vec<Step> {
    let sheets: Vec<_> = chains.iter().map(|chain| (chain.steps.clone(), chain.sheet.clone())).collect();
    let all = stream::iter(chains).for_each_concurrent(AT_ONCE, |chain| chain.run(patience));
    // What has not ended by then shows as skipped.
    let _ = tokio::time::timeout(patience.saturating_mul(WHOLE), all).await;
    let of = |(names, sheet): (Vec<String>, Sheet)| {
        let found = std::mem::take(&mut sheet.0.borrow_mut().found);
        complete(&names, found)
    };
    sheets.into_iter().flat_map(of).collect()
}

/// Does what may hang, on a thread that nobody waits for: a dead file server must not hold up the end of the program.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || tell.send(work()));
    match told.await {
        Ok(done) => done,
        // It panicked, and the panic belongs to the step.
        Err(_) => panic!("the thread of a step has panicked"),
    }
}
