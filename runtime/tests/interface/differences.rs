//! Where this runtime's interface differs from the live chain's on purpose, and why.

/// An item, or all items with a prefix ("call Balances.*"), and the reason.
pub type Difference = (&'static str, &'static str);

const DISPATCH_ERROR: &str =
    "DispatchError has gained variants at its end since; those that the live chain has \
                              keep their encoding";
const NEWER_BALANCES: &str =
    "the balances pallet of today: calls and events 0 to 9 keep index and encoding where \
                              they exist, others are added behind them";
const NEWER_SYSTEM: &str = "the system pallet of today keeps more about blocks and upgrades";

/// Items of the live chain that are different or absent here.
pub const CHANGED: &[Difference] = &[
    (
        "call Balances.transfer",
        "is called transfer_allow_death today, with the same index and encoding",
    ),
    (
        "call Balances.set_balance",
        "is called force_set_balance today, without the reserved balance, at index 8",
    ),
    (
        "error Balances.KeepAlive",
        "is called Expendability today, with the same index",
    ),
    (
        "event Balances.BalanceSet",
        "no longer tells the reserved balance",
    ),
    (
        "storage Balances.Account",
        "unused on both chains: balances are in System.Account, which has the live shape",
    ),
    (
        "constant System.BlockLength",
        "has gained an optional limit of the header's size at its end",
    ),
    (
        "constant System.Version",
        "names our own runtime interfaces and calls state_version system_version",
    ),
    (
        "constant Timestamp.MinimumPeriod",
        "blocks follow transactions within a fraction of a second here: see configs.rs",
    ),
    (
        "event System.CodeUpdated",
        "names the hash of the code today",
    ),
    ("event System.ExtrinsicFailed", DISPATCH_ERROR),
    ("event Utility.BatchInterrupted", DISPATCH_ERROR),
    ("event Utility.DispatchedAs", DISPATCH_ERROR),
    ("event Utility.ItemFailed", DISPATCH_ERROR),
    (
        "storage System.AllExtrinsicsLen",
        "is part of BlockSize today",
    ),
    (
        "storage System.LastRuntimeUpgrade",
        "its spec_name is encoded the same but described as Cow",
    ),
];

/// Items that the live chain does not have.
pub const ADDED: &[Difference] = &[
    ("pallet Sudo", SUDO),
    ("call Sudo.*", SUDO),
    ("error Sudo.*", SUDO),
    ("event Sudo.*", SUDO),
    ("storage Sudo.*", SUDO),
    ("call Balances.*", NEWER_BALANCES),
    ("error Balances.*", NEWER_BALANCES),
    ("event Balances.*", NEWER_BALANCES),
    ("storage Balances.*", NEWER_BALANCES),
    ("constant Balances.MaxFreezes", NEWER_BALANCES),
    ("call System.*", NEWER_SYSTEM),
    ("error System.*", NEWER_SYSTEM),
    ("event System.*", NEWER_SYSTEM),
    ("storage System.*", NEWER_SYSTEM),
    (
        "call Utility.*",
        "the utility pallet of today can also fall back to another call",
    ),
    (
        "event Utility.*",
        "the utility pallet of today can also fall back to another call",
    ),
    (
        "storage TransactionPayment.TxPaymentCredit",
        "holds a fee while its transaction runs; empty between them",
    ),
];

const SUDO: &str = "development chains have a sudo key in place of a council";
