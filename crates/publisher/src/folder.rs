//! A static repository: a plain folder `{base}/{class}/` that any web server, bucket or USB stick can serve. Clients
//! believe its signatures, not its keeper.
//!
//! * [`StaticFolder`] reads it, also from a medium that cannot be written;
//! * [`StaticRepository`] is the [`Destination`](crate::Destination);
//! * [`KeyFolder`] holds its keys, apart from what is published.
//!
//! Every file is written beside its place, synced and renamed, the timestamp last: who reads meanwhile or after a crash sees
//! the old state or the new one. Who changes something holds the folder's lock from reading to commit.

mod create;
mod key_folder;
mod read;
mod repository;
mod scratch;

pub use self::create::create;
pub use self::key_folder::{KeyFolder, private_folder};
pub use self::read::StaticFolder;
pub use self::repository::StaticRepository;
