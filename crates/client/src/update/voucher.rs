//! What vouches for an installed release, renewed once a list of later keys confirms it.

use headwater_repo::Standing;

use crate::data::{ReleaseRecord, RepositoryOwner, Slot};
use crate::error::Error;
use crate::fetch::VerifiedRepository;
use crate::session::Session;

/// Has the verified list vouch for a release that it confirms, if the former keys do not any more, or were the vendor's.
pub(crate) fn renew_voucher(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    slot: &Slot,
    release: &str,
    record: ReleaseRecord,
    standing: Standing,
) -> Result<(), Error> {
    let outranks =
        verified.owner == RepositoryOwner::Organisation && record.voucher.owner == RepositoryOwner::Vendor;
    if session.context.options.self_trial || (standing == Standing::Holds && !outranks) {
        return Ok(());
    }
    let record = ReleaseRecord { voucher: verified.voucher()?, ..record };
    slot.replace_record(release, &record).map_err(Error::file("writing the record of", slot.folder()))
}
