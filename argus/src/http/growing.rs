//! The body of an answer from an object that is being filled: it follows the fill, and reads the rest past
//! the cache if there is no room for it.

use std::{io, ops::Range, pin::Pin};

use actix_web::{body::SizedStream, web};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use shared::range::ByteRange;
use tokio::time::{Duration, timeout};

use super::{State, asset::StreamedBody};
use crate::{
    cache::{Follower, Lease, follower::ReadError, object::NotComing},
    catalog::Asset,
    fill::pass::PassThrough,
};

/// How long a viewer waits for one of the places for answers past the cache.
const PLACE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the next bytes come from.
enum Way {
    /// The fill.
    Following(Follower),
    /// A source, past the cache, to the end.
    Passing(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

/// The bytes of a range, as they come.
pub(super) fn body(
    state: web::Data<State>,
    asset: Asset,
    lease: Lease,
    range: ByteRange,
) -> StreamedBody {
    let follower = Follower::new(lease, range.into());
    let at_first = Some((state, Way::Following(follower)));
    let pieces = stream::unfold(at_first, move |at| async move {
        let (state, mut way) = at?;
        match next(&state, asset, &mut way).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some((state, way)))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    SizedStream::new(range.len(), Box::pin(pieces))
}

/// The next piece. An error breaks the connection, so that nobody takes a part for the whole.
async fn next(state: &State, asset: Asset, way: &mut Way) -> io::Result<Option<Bytes>> {
    loop {
        let follower = match way {
            Way::Passing(pieces) => return pieces.next().await.transpose(),
            Way::Following(follower) => follower,
        };
        match follower.next().await {
            Ok(piece) => return Ok(piece),
            Err(ReadError::Disk(error)) => return Err(error),
            Err(ReadError::NotComing(NotComing::Failed(why))) => {
                return Err(io::Error::other(why.to_string()));
            }
            Err(ReadError::NotComing(NotComing::NoRoom)) => {
                let Range { start, end } = follower.left();
                let left = ByteRange { start, end };
                *way = Way::Passing(past_the_cache(state, asset, left).await?);
            }
        }
    }
}

async fn past_the_cache(
    state: &State,
    asset: Asset,
    left: ByteRange,
) -> io::Result<Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>> {
    let place = timeout(PLACE_TIMEOUT, state.pass_through.clone().acquire_owned()).await;
    let place = place.map_err(io::Error::other)?.map_err(io::Error::other)?;
    let (catalog, fetching) = (state.catalog.clone(), state.fetching.clone());
    let pass = PassThrough::new(asset, catalog, fetching, place);
    Ok(Box::pin(pass.stream(left)))
}
