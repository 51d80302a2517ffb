//! What a fresh machine lacks: found out first, then fetched only where that is allowed.
//!
//! System packages come from Debian's or Ubuntu's archive and need an administrator (root, or
//! `sudo`). Parts of the Rust toolchain come through `rustup` and need none. Where something is
//! missing and cannot be fetched, the message says what to do by hand.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// The compilation target of the browser build.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Something that a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A C compiler called `cc`, for the SQLite that is compiled in.
    CCompiler,
    /// A C++ compiler called `c++`, for the fuzzer.
    CxxCompiler,
    /// `clang`, which compiles that SQLite for WebAssembly.
    Clang,
    /// The Rust standard library for WebAssembly.
    WasmTarget,
    /// OpenSSL's `libcrypto`, which encrypts stores.
    Libcrypto,
    /// A keyring and a message bus to find it by, for the tests of keys in the keyring.
    Keyring,
    /// Python's installer of packages, which gets a Node that is new enough.
    Pip,
    /// A Chromium for the tests in a browser.
    Chromium,
    /// `cargo fmt`.
    Rustfmt,
    /// `cargo clippy`.
    Clippy,
}

/// Where a missing thing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Packages(&'static [&'static str]),
    RustupTarget(&'static str),
    RustupComponent(&'static str),
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Self::CCompiler => "a C compiler (cc)",
            Self::CxxCompiler => "a C++ compiler (c++)",
            Self::Clang => "clang",
            Self::WasmTarget => "the Rust standard library for WebAssembly",
            Self::Libcrypto => "OpenSSL's libcrypto with its header files",
            Self::Keyring => "a keyring (gnome-keyring-daemon) and dbus-run-session",
            Self::Pip => "Python 3 with pip",
            Self::Chromium => "Chromium",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::CCompiler => Source::Packages(&["gcc", "libc6-dev"]),
            Self::CxxCompiler => Source::Packages(&["g++"]),
            Self::Clang => Source::Packages(&["clang"]),
            Self::Libcrypto => Source::Packages(&["libssl-dev"]),
            Self::Keyring => Source::Packages(&["dbus", "gnome-keyring"]),
            Self::Pip => Source::Packages(&["python3", "python3-pip"]),
            Self::Chromium => Source::Packages(&["chromium"]),
            Self::WasmTarget => Source::RustupTarget(WASM_TARGET),
            Self::Rustfmt => Source::RustupComponent("rustfmt"),
            Self::Clippy => Source::RustupComponent("clippy"),
        }
    }

    fn is_present(self) -> bool {
        match self {
            Self::CCompiler => env::var_os("CC").is_some() || on_path("cc"),
            Self::CxxCompiler => env::var_os("CXX").is_some() || on_path("c++"),
            Self::Clang => env::var_os("CC_wasm32_unknown_unknown").is_some() || on_path("clang"),
            Self::Libcrypto => {
                // Apple's systems have their own.
                let preprocessed = ["-include", "openssl/evp.h", "-E", "-x", "c", "/dev/null"];
                cfg!(target_os = "macos")
                    || env::var_os("OPENSSL_DIR").is_some()
                    || answers("cc", &preprocessed)
            }
            Self::Keyring => on_path("gnome-keyring-daemon") && on_path("dbus-run-session"),
            Self::Pip => answers("python3", &["-m", "pip", "--version"]),
            Self::Chromium => chromium().is_some(),
            Self::WasmTarget => wasm_library_is_installed(),
            Self::Rustfmt => answers("cargo", &["fmt", "--version"]),
            Self::Clippy => answers("cargo", &["clippy", "--version"]),
        }
    }
}

/// What this machine lets us do.
#[derive(Debug, Clone, Copy)]
struct Machine {
    /// `apt-get` exists: Debian, Ubuntu and their relatives.
    has_apt: bool,
    /// We are the administrator.
    is_root: bool,
    /// `sudo` exists.
    has_sudo: bool,
    /// Somebody can answer a question for a password.
    has_terminal: bool,
    /// `rustup` manages the toolchain.
    has_rustup: bool,
}

impl Machine {
    fn look() -> Self {
        Self {
            has_apt: on_path("apt-get"),
            is_root: user_is_root(),
            has_sudo: on_path("sudo"),
            has_terminal: std::io::stdin().is_terminal(),
            has_rustup: on_path("rustup"),
        }
    }
}

/// Fetches whatever of `needs` is missing; does nothing, and asks for nothing, when all is there.
///
/// # Errors
/// When something is missing and cannot be fetched on this machine; the message says what to do.
pub(crate) fn ensure_present(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.is_present()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for words in plan(&missing, &Machine::look())? {
        eprintln!("getting what is missing: {}", words.join(" "));
        let mut command = Command::new(&words[0]);
        // Standard output is left to the command that the person asked for.
        command.args(&words[1..]).stdout(std::io::stderr());
        process::run(&mut command)
            .with_context(|| format!("could not get what is missing ({})", names(&missing)))?;
    }
    let still_missing: Vec<Need> = missing.into_iter().filter(|need| !need.is_present()).collect();
    ensure!(
        still_missing.is_empty(),
        "{} was installed but is still not found; is it on the PATH?",
        names(&still_missing)
    );
    Ok(())
}

/// The commands that fetch what is missing, in order.
fn plan(missing: &[Need], machine: &Machine) -> Result<Vec<Vec<String>>> {
    let mut packages = BTreeSet::new();
    let mut toolchain_parts = Vec::new();
    for need in missing {
        match need.source() {
            Source::Packages(names) => packages.extend(names),
            Source::RustupTarget(target) => toolchain_parts.push(["target", "add", target]),
            Source::RustupComponent(name) => toolchain_parts.push(["component", "add", name]),
        }
    }
    let mut commands = Vec::new();
    if !packages.is_empty() {
        let packages: Vec<&str> = packages.into_iter().copied().collect();
        commands.extend(package_commands(&packages, missing, machine)?);
    }
    for part in toolchain_parts {
        if !machine.has_rustup {
            bail!(
                "{} is missing and there is no rustup to get it with; install Rust through \
                 rustup, or install the part that matches your compiler by hand",
                names(missing)
            );
        }
        let words = ["rustup"].into_iter().chain(part);
        commands.push(words.map(str::to_owned).collect());
    }
    Ok(commands)
}

fn package_commands(
    packages: &[&str],
    missing: &[Need],
    machine: &Machine,
) -> Result<Vec<Vec<String>>> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !machine.has_apt {
        bail!(
            "{} is missing; install it with your system's package manager (on Debian or Ubuntu: \
             {by_hand}), then run this command again",
            names(missing)
        );
    }
    let prefix: &[&str] = match (machine.is_root, machine.has_sudo, machine.has_terminal) {
        (true, _, _) => &[],
        (false, true, true) => &["sudo"],
        // Nobody can type a password, so sudo must not ask for one.
        (false, true, false) => &["sudo", "-n"],
        (false, false, _) => bail!(
            "{} is missing, and only an administrator can install it here (this is not root, and \
             there is no sudo); have `{by_hand}` run, then run this command again",
            names(missing)
        ),
    };
    let words = |rest: &[&str]| -> Vec<String> {
        prefix.iter().chain(rest).map(|word| (*word).to_owned()).collect()
    };
    let quiet = "DEBIAN_FRONTEND=noninteractive";
    let install: Vec<&str> =
        ["env", quiet, "apt-get", "install", "--yes", "--no-install-recommends"]
            .into_iter()
            .chain(packages.iter().copied())
            .collect();
    Ok(vec![words(&["apt-get", "update"]), words(&install)])
}

fn names(needs: &[Need]) -> String {
    needs.iter().map(|need| need.name()).collect::<Vec<_>>().join(" and ")
}

/// Whether a program of this name is on the search path.
pub(crate) fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// The program of this name that the search path leads to.
fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The Chromium that the tests in a browser start: the one that `CHROMIUM` names, or else the one
/// on the search path.
pub(crate) fn chromium() -> Option<PathBuf> {
    env::var_os("CHROMIUM").map(PathBuf::from).or_else(|| find_on_path("chromium"))
}

/// Whether this call succeeds; what it prints is thrown away.
pub(crate) fn answers(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn user_is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn wasm_library_is_installed() -> bool {
    Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| {
            output.status.success()
                && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_ON_DEBIAN: Machine = Machine {
        has_apt: true,
        is_root: true,
        has_sudo: false,
        has_terminal: false,
        has_rustup: true,
    };

    fn typed(needs: &[Need], machine: &Machine) -> Vec<String> {
        plan(needs, machine).unwrap().into_iter().map(|words| words.join(" ")).collect()
    }

    /// Shows that root gets all packages with one refresh of the lists and one installation.
    #[test]
    fn root_installs_packages_with_one_update() {
        assert_eq!(
            typed(&[Need::Clang, Need::CCompiler], &ROOT_ON_DEBIAN),
            [
                "apt-get update",
                "env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
                 --no-install-recommends clang gcc libc6-dev",
            ]
        );
    }

    /// Shows that sudo is told never to ask where nobody could answer.
    #[test]
    fn sudo_asks_only_where_somebody_can_answer() {
        let user = Machine { is_root: false, has_sudo: true, ..ROOT_ON_DEBIAN };
        assert_eq!(typed(&[Need::Clang], &user)[0], "sudo -n apt-get update");
        let person = Machine { has_terminal: true, ..user };
        assert_eq!(typed(&[Need::Clang], &person)[0], "sudo apt-get update");
    }

    /// Shows that without rights the message names the missing thing and the command to have run.
    #[test]
    fn without_rights_the_message_says_what_to_do() {
        let user = Machine { is_root: false, ..ROOT_ON_DEBIAN };
        let message = plan(&[Need::Clang], &user).unwrap_err().to_string();
        assert!(message.starts_with("clang is missing"), "{message}");
        assert!(message.contains("apt-get install clang"), "{message}");
    }

    /// Shows that a system without apt is not given apt commands.
    #[test]
    fn without_apt_the_message_names_the_thing() {
        let other = Machine { has_apt: false, ..ROOT_ON_DEBIAN };
        let message = plan(&[Need::CCompiler], &other).unwrap_err().to_string();
        assert!(message.starts_with("a C compiler (cc) is missing"), "{message}");
    }

    /// Shows that parts of the toolchain need no administrator.
    #[test]
    fn toolchain_parts_come_through_rustup() {
        let user = Machine { is_root: false, has_apt: false, ..ROOT_ON_DEBIAN };
        assert_eq!(
            typed(&[Need::WasmTarget, Need::Clippy], &user),
            ["rustup target add wasm32-unknown-unknown", "rustup component add clippy"]
        );
        let without = Machine { has_rustup: false, ..user };
        assert!(plan(&[Need::WasmTarget], &without).is_err());
    }

    /// Shows that looking for programs tells the present from the absent.
    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("clarity-no-such-program"));
        assert!(answers("sh", &["-c", "exit 0"]));
        assert!(!answers("sh", &["-c", "exit 1"]));
    }
}
