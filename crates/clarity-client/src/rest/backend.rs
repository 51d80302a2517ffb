//! What a backend looks like: addresses, names and habits. No I/O.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{EntityId, EntityType, Epoch};

use crate::error::ClientError;

/// Requests about different entities that travel at once, unless said otherwise.
const AT_ONCE: usize = 3;

/// Where a backend tells the version of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Versions {
    /// In `ETag`, as a quoted whole number; a change carries it in `If-Match`. The list tells it
    /// in this member of each item.
    ETag {
        /// The member.
        listed_in: String,
    },
    /// In a member of the entity, a whole number that grows; a change carries it in `If-Match`
    /// too.
    Member(String),
    /// Nowhere: the last change wins, and nothing is ever found to be stale.
    #[default]
    None,
}

/// How a change of some fields is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateWith {
    /// `PATCH` with the changed fields, `null` for removed ones (JSON merge patch).
    #[default]
    Patch,
    /// The entity is read, the changes are laid on it, and `PUT` replaces it.
    Put,
}

/// How a type is read: pages of what changed since a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    pub(super) path: Option<String>,
    pub(super) parameter: String,
    pub(super) next: Next,
    pub(super) items: String,
    pub(super) more: String,
    pub(super) limit: Option<(String, usize)>,
}

/// Where the place after a page stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// In a member of the answer.
    Member(String),
    /// It is the largest value of this member of the items.
    Largest(String),
}

impl Feed {
    /// A list whose answer names the place to go on from in its member `next`, to be handed back
    /// in the query parameter `parameter`.
    #[must_use]
    pub fn after(parameter: &str, next: &str) -> Self {
        Self::new(parameter, Next::Member(next.to_owned()))
    }

    /// A list of what has a larger whole number in `member` than the query parameter says. Every
    /// change must get a number of its own that grows; with numbers that may be equal, such as
    /// times, the backend must include the number that it is given.
    #[must_use]
    pub fn since(parameter: &str, member: &str) -> Self {
        Self::new(parameter, Next::Largest(member.to_owned()))
    }

    fn new(parameter: &str, next: Next) -> Self {
        Self {
            path: None,
            parameter: parameter.to_owned(),
            next,
            items: "items".to_owned(),
            more: "more".to_owned(),
            limit: None,
        }
    }

    /// The list is at another path than the type's own.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The member of the answer with the items, instead of `items`. An answer that is an array is
    /// the items itself.
    #[must_use]
    pub fn items_in(self, member: &str) -> Self {
        Self { items: member.to_owned(), ..self }
    }

    /// Asks for at most `count` items in this query parameter. A page with fewer is the last one,
    /// unless a member `more` says otherwise.
    #[must_use]
    pub fn limit(self, parameter: &str, count: usize) -> Self {
        Self { limit: Some((parameter.to_owned(), count.max(1))), ..self }
    }
}

/// The endpoint of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) path: String,
    pub(super) feed: Option<Feed>,
}

impl Endpoint {
    /// A type at a path such as `/notes`; one of its entities is at `/notes/{id}`.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self { path: path.trim_end_matches('/').to_owned(), feed: None }
    }

    /// Reads the type's changes as this feed. Without one, the type is only written.
    #[must_use]
    pub fn read_by(self, feed: Feed) -> Self {
        Self { feed: Some(feed), ..self }
    }
}

/// A REST backend as [`super::RestTransport`] speaks to it.
#[derive(Debug, Clone)]
pub struct RestBackend {
    pub(super) base: String,
    pub(super) types: BTreeMap<EntityType, Endpoint>,
    pub(super) versions: Versions,
    pub(super) update: UpdateWith,
    pub(super) id: String,
    pub(super) fields: Option<String>,
    pub(super) updated_at: String,
    pub(super) deleted: String,
    pub(super) conflict: Option<String>,
    pub(super) missing_is_deleted: bool,
    pub(super) proposes_ids: bool,
    pub(super) batch: Option<String>,
    pub(super) refresh: Option<String>,
    pub(super) probe: String,
    pub(super) mark: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) at_once: usize,
    pub(super) epoch: Epoch,
}

impl RestBackend {
    /// A backend at this address, such as `https://api.example.org/v2`: entities are flat objects
    /// with their id in `id`, have no versions, and are changed with `PATCH`.
    ///
    /// # Errors
    /// When `base` is not an address.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        let parsed = reqwest::Url::parse(base);
        let valid = parsed.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        if !valid {
            return Err(ClientError::Address(base.to_owned()));
        }
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            types: BTreeMap::new(),
            versions: Versions::None,
            update: UpdateWith::Patch,
            id: "id".to_owned(),
            fields: None,
            updated_at: "updated_at".to_owned(),
            deleted: "deleted".to_owned(),
            conflict: None,
            missing_is_deleted: false,
            proposes_ids: false,
            batch: None,
            refresh: None,
            probe: String::new(),
            mark: None,
            headers: Vec::new(),
            at_once: AT_ONCE,
            epoch: Epoch(1),
        })
    }

    /// The REST interface of a Clarity server, for these types.
    ///
    /// # Errors
    /// When `base` is not an address.
    pub fn clarity(
        base: &str,
        types: impl IntoIterator<Item = EntityType>,
    ) -> Result<Self, ClientError> {
        let mut backend = Self::new(base)?
            .versions(Versions::ETag { listed_in: "version".to_owned() })
            .fields_in("fields")
            .conflict_in("entity")
            .proposing_ids()
            .refresh_at("/v1/refresh")
            .probe_at("/v1/health")
            .marked_by("clarity-protocol")
            .header("clarity-protocol", "1");
        for entity_type in types {
            let path = format!("/v1/entities/{entity_type}");
            let feed = Feed::after("after", "next").limit("limit", 1_000);
            backend = backend.with(entity_type, Endpoint::new(&path).read_by(feed));
        }
        Ok(backend)
    }

    /// Adds a type. Changes of a type that has no endpoint are rejected with that reason.
    #[must_use]
    pub fn with(mut self, entity_type: EntityType, endpoint: Endpoint) -> Self {
        self.types.insert(entity_type, endpoint);
        self
    }

    /// Where versions are.
    #[must_use]
    pub fn versions(self, versions: Versions) -> Self {
        Self { versions, ..self }
    }

    /// How changes are sent.
    #[must_use]
    pub fn update_with(self, update: UpdateWith) -> Self {
        Self { update, ..self }
    }

    /// The member with the id, instead of `id`.
    #[must_use]
    pub fn id_in(self, member: &str) -> Self {
        Self { id: member.to_owned(), ..self }
    }

    /// The fields are not members of the entity's object but of this member of it.
    #[must_use]
    pub fn fields_in(self, member: &str) -> Self {
        Self { fields: Some(member.to_owned()), ..self }
    }

    /// The member with the time of the last change, in milliseconds since 1970, instead of
    /// `updated_at`.
    #[must_use]
    pub fn updated_at_in(self, member: &str) -> Self {
        Self { updated_at: member.to_owned(), ..self }
    }

    /// The member that is `true` in a deleted item of a list, instead of `deleted`.
    #[must_use]
    pub fn deleted_in(self, member: &str) -> Self {
        Self { deleted: member.to_owned(), ..self }
    }

    /// The server's entity is not the body of a 409 or 412 but this member of it.
    #[must_use]
    pub fn conflict_in(self, member: &str) -> Self {
        Self { conflict: Some(member.to_owned()), ..self }
    }

    /// A change of an entity that is answered 404 means that the entity was deleted, and not that
    /// it never was there. For backends that keep no trace of what was deleted.
    #[must_use]
    pub fn missing_is_deleted(self) -> Self {
        Self { missing_is_deleted: true, ..self }
    }

    /// Creates carry the id that the device made, in the id's member; the backend may take it or
    /// give another one. Without this they carry none.
    #[must_use]
    pub fn proposing_ids(self) -> Self {
        Self { proposes_ids: true, ..self }
    }

    /// Atomic batches are sent to this path: `{"operations": [{"method", "path", "if_match",
    /// "idempotency_key", "body"}, …]}`, answered by `{"answers": [{"status", "etag", "body"}, …]}`
    /// in the same order; the backend does all or nothing. Without it they are rejected.
    #[must_use]
    pub fn batch_at(self, path: &str) -> Self {
        Self { batch: Some(path.to_owned()), ..self }
    }

    /// Tokens are renewed at this path: `{"grant_type": "refresh_token", "refresh_token": …}` is
    /// answered with `access_token`, its life in `expires_in` (seconds) or `access_expires_in_ms`,
    /// and, if it changes, `refresh_token`.
    #[must_use]
    pub fn refresh_at(self, path: &str) -> Self {
        Self { refresh: Some(path.to_owned()), ..self }
    }

    /// Without any feed, this path is asked instead of the address itself, to see whether the
    /// backend is there. Any answer will do that is no failure of the server and no HTML page.
    #[must_use]
    pub fn probe_at(self, path: &str) -> Self {
        Self { probe: path.to_owned(), ..self }
    }

    /// Every answer of the backend carries this header. An answer without it came from something
    /// in between, such as the sign-in page of a public network.
    #[must_use]
    pub fn marked_by(self, header: &str) -> Self {
        Self { mark: Some(header.to_owned()), ..self }
    }

    /// A header that every request carries.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many requests travel at once, 3 unless said otherwise. Never two about one entity.
    #[must_use]
    pub fn at_once(self, count: usize) -> Self {
        Self { at_once: count.max(1), ..self }
    }

    /// Names the life of the backend's database. With another name, devices read everything again.
    #[must_use]
    pub fn life(self, number: u128) -> Self {
        Self { epoch: Epoch(number), ..self }
    }

    /// Whether a feed goes by this member of the items: it is about the list, not the entity.
    pub(super) fn counts_in(&self, member: &str) -> bool {
        let mut feeds = self.types.values().filter_map(|endpoint| endpoint.feed.as_ref());
        feeds.any(|feed| matches!(&feed.next, Next::Largest(largest) if largest == member))
    }

    /// The address of an entity of a type.
    pub(super) fn item(&self, endpoint: &Endpoint, id: &EntityId) -> String {
        format!("{}/{}", endpoint.path, escaped(id.as_str()))
    }
}

/// A text as a part of a path or of a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
