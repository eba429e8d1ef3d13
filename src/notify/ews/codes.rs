//! What a ResponseCode means for the notice.

/// What becomes of the notice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It has been done.
    Done,
    /// This mailbox not now, or not until somebody has put something right.
    Later,
    /// The server as a whole does not do now.
    Down,
    /// The mailbox is on another server: ask Autodiscover again.
    Moved,
    /// Not ever: the request or the mailbox itself is refused.
    Never,
}

/// Codes that no waiting heals: there is no such mailbox, or the item itself is refused.
pub const NEVER: [&str; 21] = [
    "ErrorAttachmentSizeLimitExceeded",
    "ErrorContentConversionFailed",
    "ErrorDataSizeLimitExceeded",
    "ErrorInvalidExtendedProperty",
    "ErrorInvalidExtendedPropertyValue",
    "ErrorInvalidItemForOperationCreateItem",
    "ErrorInvalidMailbox",
    "ErrorInvalidRequest",
    "ErrorInvalidSmtpAddress",
    "ErrorMessageSizeExceeded",
    "ErrorMimeContentConversionFailed",
    "ErrorMimeContentInvalid",
    "ErrorMimeContentInvalidBase64String",
    "ErrorNonExistentMailbox",
    "ErrorPropertyValidationFailure",
    "ErrorRequestStreamTooBig",
    "ErrorSchemaValidation",
    "ErrorUnsupportedMapiPropertyType",
    "ErrorUnsupportedMimeConversion",
    "ErrorUnsupportedPropertyDefinition",
    "ErrorVirusDetected",
];

/// Codes of a server that is busy or broken as a whole, or that does not let our own account in.
pub const DOWN: [&str; 18] = [
    "ErrorADOperation",
    "ErrorADUnavailable",
    "ErrorAccountDisabled",
    "ErrorCallerIsInvalidADAccount",
    "ErrorConnectionFailed",
    "ErrorExceededConnectionCount",
    "ErrorInsufficientResources",
    "ErrorInternalServerError",
    "ErrorInternalServerTransientError",
    "ErrorInvalidServerVersion",
    "ErrorLogonAsNetworkServiceFailed",
    "ErrorNotEnoughMemory",
    "ErrorPasswordChangeRequired",
    "ErrorPasswordExpired",
    "ErrorServerBusy",
    "ErrorTimeoutExpired",
    "ErrorTooManyObjectsOpened",
    "ErrorWin32InteropError",
];

/// Codes of a mailbox that has moved, or of a server that cannot reach the one that has it.
pub const MOVED: [&str; 13] = [
    "ErrorCrossSiteRequest",
    "ErrorIncorrectSchemaVersion",
    "ErrorMailboxFailover",
    "ErrorMailboxMoveInProgress",
    "ErrorNoApplicableProxyCASServersAvailable",
    "ErrorNoDestinationCASDueToKerberosRequirements",
    "ErrorNoDestinationCASDueToSSLRequirements",
    "ErrorNoDestinationCASDueToVersionMismatch",
    "ErrorNoRespondingCASInDestinationSite",
    "ErrorProxyCallFailed",
    "ErrorProxyRequestNotAllowed",
    "ErrorProxyServiceDiscoveryFailed",
    "ErrorWrongServerVersion",
];

/// The fate behind a code. Whatever is not known keeps the notice: it is tried again until the outbox gives it up.
pub fn fate(code: &str) -> Fate {
    match code {
        "NoError" => Fate::Done,
        code if NEVER.contains(&code) => Fate::Never,
        code if MOVED.contains(&code) => Fate::Moved,
        code if DOWN.contains(&code) => Fate::Down,
        _ => Fate::Later,
    }
}
