//! The words that menus are put together from: each is a prompt of its own in every language.

/// Makes the list of phrases and the names of their prompts from one table.
macro_rules! phrases {
    ($($phrase:ident $name:literal,)*) => {
        /// A prompt of words.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[allow(missing_docs, reason = "the prompts say it")]
        pub enum Phrase { $($phrase,)* }

        impl Phrase {
            /// Every phrase.
            pub const ALL: &[Self] = &[$(Self::$phrase,)*];

            /// The name of its prompt.
            pub fn name(self) -> &'static str {
                match self { $(Self::$phrase => $name,)* }
            }
        }
    };
}

phrases! {
    Welcome "welcome",
    ForOperator "operator",
    Extension "extension",
    NotFound "not-found",
    TryAgain "try-again",
    Connecting "connecting",
    Busy "busy",
    NoAnswer "no-answer",
    Goodbye "goodbye",
    MailboxNumber "mailbox-number",
    Pin "pin",
    Wrong "wrong",
    Locked "locked",
    YouHave "you-have",
    NoNew "no-new",
    OneNew "one-new",
    New "new",
    OneOld "one-old",
    Old "old",
    And "and",
    MainMenu "main-menu",
    Message "message",
    Urgent "urgent",
    From "from",
    Unknown "unknown",
    Today "today",
    Yesterday "yesterday",
    At "at",
    Hours "hours",
    MessageMenu "message-menu",
    Saved "saved",
    Deleted "deleted",
    NoMore "no-more",
    NoCallBack "no-call-back",
    GreetingMenu "greeting-menu",
    Record "record",
    RecordedMenu "recorded-menu",
    NothingRecorded "nothing-recorded",
    GreetingKept "greeting-kept",
    GreetingRemoved "greeting-removed",
    NoticesOn "notices-on",
    NoticesOff "notices-off",
    NewPin "new-pin",
    PinAgain "pin-again",
    PinChanged "pin-changed",
    PinDiffers "pin-differs",
    PinWeak "pin-weak",
    NotPossible "not-possible",
    Invalid "invalid",
}
