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
}
