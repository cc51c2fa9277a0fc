//! Where a client goes on reading signed content that is not sealed after its key was revoked.

use std::net::IpAddr;

use headwater_api::v1::{OpenSourceView, StillReadable};
use headwater_policy::{OpenSource, open_sources, parse_address};

use super::service::FleetService;
use crate::db::Connection;
use crate::db::clients::ClientRow;
use crate::error::Result;
use crate::source_list;

impl FleetService {
    /// Where a client goes on reading, by the list as it is saved now.
    pub(super) async fn still_readable(
        &self,
        db: &mut Connection,
        client: &ClientRow,
    ) -> Result<StillReadable> {
        let policy = source_list::current(db).await?.policy;
        let addresses: Vec<IpAddr> =
            client.addresses.iter().filter_map(|text| parse_address(text).ok()).collect();
        let view = |open: OpenSource| OpenSourceView {
            url: open.url.to_string(),
            entries: open.entries,
            selects: open.is_selected,
        };
        Ok(StillReadable {
            sources: open_sources(&policy, &addresses).into_iter().map(view).collect(),
            anonymous_components: self.source_list.serves_components_to_anyone(),
        })
    }
}
