//! How many devices a person may have. Machines are nobody's, and are not counted; whoever has more already keeps them.

use crate::rules::ids::UserId;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// How many a user may have, if one more would be beyond it.
pub fn beyond_limit(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<Option<u32>, StoreError> {
    let Some(limit) = site.config.portal.device_limit else { return Ok(None) };
    Ok((tx.device_count_of(user)? >= limit).then_some(limit))
}
