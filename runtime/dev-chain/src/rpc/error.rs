//! JSON-RPC errors, with the codes and words of the reference node, which clients match on.

use jsonrpsee::types::ErrorObjectOwned;
use sp_core::H256;

use crate::executor::ExecutionError;
use crate::node::SubmitError;
use crate::pool::PoolError;

/// Why a call is answered with an error.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// A parameter is missing or of the wrong kind.
    #[error("invalid params: {0}")]
    InvalidParams(String),
    /// A block that this chain does not have.
    #[error("Client error: UnknownBlock: no block of this chain has the hash {0:?}")]
    UnknownBlock(H256),
    /// More than may be asked for at once.
    #[error("count exceeds maximum value. value: {value}, max: {max}")]
    TooMany {
        /// What was asked for.
        value: usize,
        /// What may be asked for.
        max: usize,
    },
    /// The runtime failed.
    #[error("Client error: Execution failed: {0}")]
    Execution(#[from] ExecutionError),
    /// A transaction was not taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

const INVALID_PARAMS: i32 = -32602;
const VERIFICATION_FAILED: i32 = 1002;
const POOL_INVALID: i32 = 1010;
const POOL_UNKNOWN_VALIDITY: i32 = 1011;
const POOL_ALREADY_IMPORTED: i32 = 1013;
const POOL_PRIORITY_TOO_LOW: i32 = 1014;
const POOL_IMMEDIATELY_DROPPED: i32 = 1016;
const COUNT_EXCEEDED: i32 = 4002;
const STATE_FAILED: i32 = 4003;

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let message = error.to_string();
        match error {
            RpcError::InvalidParams(_) => plain(INVALID_PARAMS, message),
            RpcError::TooMany { .. } => plain(COUNT_EXCEEDED, message),
            RpcError::UnknownBlock(_) | RpcError::Execution(_) => plain(STATE_FAILED, message),
            RpcError::Submit(error) => submit_error(error),
        }
    }
}

fn submit_error(error: SubmitError) -> ErrorObjectOwned {
    match error {
        SubmitError::Malformed(_) | SubmitError::Execution(_) => {
            plain(VERIFICATION_FAILED, format!("Verification Error: {error}"))
        }
        SubmitError::Invalid(reason) => explained(
            POOL_INVALID,
            "Invalid Transaction",
            <&'static str>::from(reason),
        ),
        SubmitError::Unknown(reason) => {
            let reason = <&'static str>::from(reason);
            explained(
                POOL_UNKNOWN_VALIDITY,
                "Unknown Transaction Validity",
                reason,
            )
        }
        SubmitError::Pool(PoolError::AlreadyThere(hash)) => explained(
            POOL_ALREADY_IMPORTED,
            "Transaction Already Imported",
            &format!("{hash:?}"),
        ),
        SubmitError::Pool(PoolError::PriorityTooLow { old, new }) => explained(
            POOL_PRIORITY_TOO_LOW,
            &format!("Priority is too low: ({old} vs {new})"),
            "The transaction has too low priority to replace another transaction already in the pool.",
        ),
        SubmitError::Pool(PoolError::Full) => explained(
            POOL_IMMEDIATELY_DROPPED,
            "Immediately Dropped",
            "The transaction couldn't enter the pool because of the limit",
        ),
    }
}

fn plain(code: i32, message: String) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, None::<()>)
}

fn explained(code: i32, message: &str, data: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, Some(data))
}
