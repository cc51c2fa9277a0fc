//! A disk that is really full (a small tmpfs of the test's own): exit status 4 with its own message, nothing broken,
//! and the next run after somebody made room completes (P9, P11).

use std::path::PathBuf;
use std::process::Stdio;

use headwater_client::Config;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::world::{NewRelease, World, current};

/// Room for two releases of the world's component beside what must stay free.
const DISK_MIB: u64 = 32;

/// A shell in a mount namespace of its own, with a small disk in it that nobody else sees.
struct Disk {
    _shell: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Disk {
    /// `None` where a user may have no namespaces; the test then prints that it is skipped.
    async fn new(folder: PathBuf) -> Option<Self> {
        Self::with(folder, &format!("size={DISK_MIB}m")).await
    }

    async fn with(folder: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let mut shell = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let commands = shell.stdin.take().unwrap();
        let answers = BufReader::new(shell.stdout.take().unwrap()).lines();
        let mut disk = Self { _shell: shell, commands, answers, folder };
        let mount = format!("mount -t tmpfs -o {options} tmpfs '{}'", disk.folder.display());
        if disk.sh(&mount).await == Some(0) {
            return Some(disk);
        }
        eprintln!("SKIPPED: no mount namespace here, so no disk can be filled");
        None
    }

    /// Runs a line and returns its exit status; `None` if the shell is gone.
    async fn sh(&mut self, line: &str) -> Option<i32> {
        let line = format!("{line} >/dev/null 2>'{}'; echo $?\n", self.output_path().display());
        self.commands.write_all(line.as_bytes()).await.ok()?;
        self.answers.next_line().await.ok()??.parse().ok()
    }

    async fn update(&mut self, client: &Config) -> Option<i32> {
        let (data, bundle) = (client.data.display(), client.bundle.as_ref().unwrap().display());
        let program = env!("CARGO_BIN_EXE_headwater-client");
        let line =
            format!("'{program}' update --data '{data}' --bundle '{bundle}' --id pc-1 --address 127.0.0.1");
        self.sh(&line).await
    }

    /// Leaves `kib` free.
    async fn fill_but(&mut self, kib: u64) {
        let folder = self.folder.display();
        let fill =
            format!("cd '{folder}'; head -c {kib}K /dev/zero >spare; cat /dev/zero >fill; rm spare; cd /");
        assert!(self.sh(&fill).await.is_some());
    }

    async fn file(&mut self, path: &str) -> String {
        let copy = self.folder.with_extension("copy");
        let line = format!("cp -L '{}' '{}'", self.folder.join(path).display(), copy.display());
        self.sh(&line).await;
        std::fs::read_to_string(&copy).unwrap_or_default()
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.output_path()).unwrap()
    }

    fn output_path(&self) -> PathBuf {
        self.folder.with_extension("output")
    }
}

#[tokio::test]
async fn it_ends_with_status_4_and_the_next_run_with_room_completes() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let Some(mut disk) = Disk::new(world.folder.path().join("disk")).await else { return };
    let mut client = world.client("pc-1");
    client.data = disk.folder.join("client");
    let changing = "client/components/rules/current/rules/changing.txt";
    disk.fill_but(0).await;
    assert_eq!(disk.update(&client).await, Some(4), "{}", disk.output());
    disk.sh(&format!("rm '{}/fill'", disk.folder.display())).await;
    assert_eq!(disk.update(&client).await, Some(0), "{}", disk.output());

    for (number, kib) in [0, 8, 64, 200, 1024, 12 * 1024].into_iter().enumerate() {
        let had = number as u64 + 1;
        world.component("rules", had + 1);
        disk.fill_but(kib).await;
        assert_eq!(disk.update(&client).await, Some(4), "with {kib} KiB: {}", disk.output());
        assert!(disk.output().contains("the disk is full"), "with {kib} KiB: {}", disk.output());
        assert_eq!(disk.file(changing).await, format!("release {had}\n"), "with {kib} KiB");
        let leftovers = format!("test -z \"$(find '{}' -name '.tmp-*')\"", disk.folder.display());
        assert_eq!(disk.sh(&leftovers).await, Some(0), "with {kib} KiB");
        disk.sh(&format!("rm '{}/fill'", disk.folder.display())).await;
        assert_eq!(disk.update(&client).await, Some(0), "{}", disk.output());
        assert_eq!(disk.file(changing).await, format!("release {}\n", had + 1));
    }
    assert!(current(&client, "id").contains("No such file"), "the disk was nobody's but this test's");
}

/// What a killed run left behind fills the disk to the last byte: the next run begins with taking it away.
#[tokio::test]
async fn leftovers_of_a_crash_do_not_keep_the_disk_full() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let Some(mut disk) = Disk::new(world.folder.path().join("disk")).await else { return };
    let mut client = world.client("pc-1");
    client.data = disk.folder.join("client");
    assert_eq!(disk.update(&client).await, Some(0), "{}", disk.output());
    world.component("rules", 2);
    let releases = client.data.join("components/rules/releases");
    let leftover =
        format!("cd '{}'; mkdir .tmp-1-2-x; cat /dev/zero >.tmp-1-2-x/half; cd /", releases.display());
    disk.sh(&leftover).await;
    assert_eq!(disk.update(&client).await, Some(0), "{}", disk.output());
    assert_eq!(disk.file("client/components/rules/current/rules/changing.txt").await, "release 2\n");
}

/// What is larger than this disk fails itself and nothing after it; the run still ends as the disk's fault (P8, P9).
#[tokio::test]
async fn what_is_too_large_does_not_hold_up_what_comes_after_it() {
    let mut world = World::new().await;
    let content = vec![0; 40 * 1024 * 1024];
    let files: &[(&str, &[u8])] = &[("huge", &content)];
    world.components().release(&NewRelease { name: "big", sequence: 1, files, ..NewRelease::default() });
    world.component("rules", 1);
    let Some(mut disk) = Disk::new(world.folder.path().join("disk")).await else { return };
    let mut client = world.client("pc-1");
    client.data = disk.folder.join("client");
    assert_eq!(disk.update(&client).await, Some(4), "{}", disk.output());
    assert!(
        disk.output().contains("the disk is full for this release")
            && disk.output().contains("components/big")
    );
    assert_eq!(disk.file("client/components/rules/current/rules/changing.txt").await, "release 1\n");
}

/// A release of more files than the disk has inodes, though it has bytes enough: it fails itself, says so and says what to
/// do, and nothing after it is held up, in its class or the next. Nothing of it is left behind.
#[tokio::test]
async fn what_has_too_many_files_does_not_hold_up_what_comes_after_it() {
    let mut world = World::new().await;
    let paths: Vec<String> = (0..1500).map(|number| format!("{}/file-{number}", number % 40)).collect();
    let files: Vec<(&str, &[u8])> = paths.iter().map(|path| (path.as_str(), path.as_bytes())).collect();
    let many = NewRelease { name: "many", sequence: 1, files: &files, ..NewRelease::default() };
    world.components().release(&many);
    world.component("rules", 1);
    let inodes = 1800;
    let options = format!("size=256m,nr_inodes={inodes}");
    let Some(mut disk) = Disk::with(world.folder.path().join("disk"), &options).await else { return };
    let mut client = world.client("pc-1");
    client.data = disk.folder.join("client");
    assert_eq!(disk.update(&client).await, Some(4), "{}", disk.output());
    let output = disk.output();
    assert!(output.contains("too few inodes for this release") && output.contains("df -i"), "{output}");
    assert!(output.contains("components/many"), "{output}");
    assert_eq!(disk.file("client/components/rules/current/rules/changing.txt").await, "release 1\n");
    let count = format!("test $(find '{}' | wc -l) -lt 300", disk.folder.display());
    assert_eq!(disk.sh(&count).await, Some(0), "files of it were left behind");
    // With room for its files it is installed.
    let remount = format!("mount -o remount,nr_inodes=9000 '{}'", disk.folder.display());
    assert_eq!(disk.sh(&remount).await, Some(0));
    assert_eq!(disk.update(&client).await, Some(0), "{}", disk.output());
    assert_eq!(disk.file("client/components/many/current/7/file-7").await, "7/file-7");
}
