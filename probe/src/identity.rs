//! Who this host is, for as long as its state directory lasts.

use std::fs;
use std::io;
use std::path::Path;

use shared::id::{HostId, InstanceId};
use tracing::warn;
use uuid::Uuid;

use crate::Config;

#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub host: HostId,
    pub instance: InstanceId,
}

impl Identity {
    /// The persisted id, else a new one that is persisted; where that cannot be written, one derived from the
    /// machine id, so that a probe without a writable disk still is the same host each time.
    pub fn establish(config: &Config) -> io::Result<Self> {
        let file = config.state_dir.join("host-id");
        let host = match read(&file) {
            Some(host) => host,
            None => match create(&config.state_dir, &file) {
                Ok(host) => host,
                Err(error) => {
                    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
                    warn!(path = %file.display(), %error, "host id cannot be kept; derived from the machine id");
                    derive(machine.trim())
                }
            },
        };
        Ok(Self { host: HostId(host), instance: InstanceId(Uuid::new_v4()) })
    }
}

fn read(file: &Path) -> Option<Uuid> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn create(directory: &Path, file: &Path) -> io::Result<Uuid> {
    fs::create_dir_all(directory)?;
    let id = Uuid::new_v4();
    // Written beside and renamed, so that a crash or a full disk never leaves half an id.
    let draft = directory.join(".host-id.new");
    fs::write(&draft, format!("{id}\n"))?;
    fs::rename(&draft, file)?;
    Ok(id)
}

fn derive(machine_id: &str) -> Uuid {
    match Uuid::parse_str(machine_id) {
        // Not the machine id itself: machine-id(5) asks that it is not shown on the network.
        Ok(id) => Uuid::from_u128(id.as_u128().rotate_left(61) ^ 0x5343_4f50_4500_4000_8000_686f_7374_6964),
        Err(_) => Uuid::new_v4(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_state_directory_is_the_same_host_each_time() {
        let machine = "0123456789abcdef0123456789abcdef";
        assert_eq!(derive(machine), derive(machine));
        assert_ne!(derive(machine), Uuid::parse_str(machine).unwrap());
    }

    #[test]
    fn a_damaged_id_file_is_replaced() {
        let directory = std::env::temp_dir().join(format!("scope-identity-{}", Uuid::new_v4()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("host-id");
        fs::write(&file, "not an id").unwrap();
        assert_eq!(read(&file), None);
        let id = create(&directory, &file).unwrap();
        assert_eq!(read(&file), Some(id));
        fs::remove_dir_all(&directory).unwrap();
    }
}
