//! What each role may do: the actions, the roles that may take each, and the action that each route is.
//!
//! Promises: this is the only place that knows; a route that does not stand here is refused to everybody, so none can be
//! forgotten. README's table is compared with this one. Leaves to others: who asks (`sign_in`), and what lies in
//! somebody's scope (`scope`, `silencing`).

mod routes;

use Role::{Admin, Auditor, ItStaff, Operator, Security, Vendor, Viewer, Writer};
pub(super) use routes::action;

use crate::scope::Scope;

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Admin,
    Operator,
    Security,
    ItStaff,
    Viewer,
    Auditor,
    /// Sees and handles only what lies in its scope.
    Vendor,
    /// A token that writes. No person has it.
    Writer,
}

/// What one may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    OwnPassword,
    SeeAlerts,
    SeeAll,
    HandleAlerts,
    Silence,
    ConfirmSilences,
    SwapDuty,
    TendChannels,
    RunDrills,
    PostAlerts,
    ReadAudit,
    Administer,
}

impl Role {
    /// Those that a person or a token that reads may have.
    pub const OF_PEOPLE: [Self; 7] = [Admin, Operator, Security, ItStaff, Viewer, Auditor, Vendor];

    pub fn name(self) -> &'static str {
        match self {
            Admin => "admin",
            Operator => "operator",
            Security => "security",
            ItStaff => "it-staff",
            Viewer => "viewer",
            Auditor => "auditor",
            Vendor => "vendor",
            Writer => "writer",
        }
    }

    pub fn of_people(name: &str) -> Result<Self, String> {
        let found = Self::OF_PEOPLE.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| {
            format!("there is no role {name:?}; there are {}", names(&Self::OF_PEOPLE))
        })
    }

    pub fn may(self, action: Action) -> bool {
        action.roles().contains(&self)
    }

    /// The names of all that it may do, for pages.
    pub fn actions(self) -> impl Iterator<Item = &'static str> {
        Action::ALL.into_iter().filter(move |action| self.may(*action)).map(Action::name)
    }
}

impl Action {
    pub const ALL: [Self; 12] = [
        Self::SeeAlerts,
        Self::SeeAll,
        Self::HandleAlerts,
        Self::Silence,
        Self::ConfirmSilences,
        Self::SwapDuty,
        Self::TendChannels,
        Self::RunDrills,
        Self::PostAlerts,
        Self::ReadAudit,
        Self::Administer,
        Self::OwnPassword,
    ];

    fn roles(self) -> &'static [Role] {
        match self {
            Self::OwnPassword | Self::SeeAlerts => &Role::OF_PEOPLE,
            Self::SeeAll => &[Admin, Operator, Security, ItStaff, Viewer, Auditor],
            Self::HandleAlerts | Self::Silence => &[Admin, Operator, Security, ItStaff, Vendor],
            Self::SwapDuty | Self::RunDrills => &[Admin, Operator, Security, ItStaff],
            Self::ConfirmSilences | Self::TendChannels => &[Admin, Operator, Security],
            Self::PostAlerts => &[Admin, Operator, Security, Writer],
            Self::ReadAudit => &[Admin, Auditor],
            Self::Administer => &[Admin],
        }
    }

    /// Whether something is other than before when it is done.
    pub fn changes(self) -> bool {
        !matches!(self, Self::SeeAlerts | Self::SeeAll | Self::ReadAudit)
    }

    /// As the API, the metric and the pages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnPassword => "own_password",
            Self::SeeAlerts => "see_alerts",
            Self::SeeAll => "see_all",
            Self::HandleAlerts => "handle_alerts",
            Self::Silence => "silence",
            Self::ConfirmSilences => "confirm_silences",
            Self::SwapDuty => "swap_duty",
            Self::TendChannels => "tend_channels",
            Self::RunDrills => "run_drills",
            Self::PostAlerts => "post_alerts",
            Self::ReadAudit => "read_audit",
            Self::Administer => "administer",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::OwnPassword => "change one's own password",
            Self::SeeAlerts => {
                "see alerts, silences, hosts and metrics (a vendor: those of its scope)"
            }
            Self::SeeAll => "see events, backups, drills, rules and channels",
            Self::HandleAlerts => "take, assign and comment on alerts",
            Self::Silence => "silence alerts and end silences (a vendor: within its scope)",
            Self::ConfirmSilences => "confirm a wide silence that somebody else asked for",
            Self::SwapDuty => "swap shifts of a roster",
            Self::TendChannels => "test channels, resend or dismiss what was not delivered",
            Self::RunDrills => "start and run drills",
            Self::PostAlerts => "post alerts (a token that writes: under its labels)",
            Self::ReadAudit => "read and verify the audit log",
            Self::Administer => "users, tokens, hosts, reloads, deleting series",
        }
    }

    /// What somebody is told who may not.
    pub fn refusal(self, role: Role) -> String {
        if role == Writer {
            return "this token writes series, posts alerts and does nothing else; make one that \
                    reads with `haidang api-token create --role viewer`"
                .to_owned();
        }
        let (may, action) = (names(self.roles()), self.description());
        format!("the role {} may not do this; it takes {may}: {action}", role.name())
    }
}

/// A role with its scope, which vendors have and nobody else.
pub(super) fn role_and_scope(role: &str, scope: &str) -> Result<(Role, Scope), String> {
    let role = Role::of_people(role)?;
    match (role, scope.trim()) {
        (Vendor, "") => {
            Err("a vendor has a scope: matchers of its own systems, for example vendor=\"vnpt\""
                .into())
        }
        (Vendor, scope) => Ok((role, Scope::read(scope)?)),
        (_, "") => Ok((role, Scope::default())),
        (_, _) => Err(format!("only a vendor has a scope; the role {} has none", role.name())),
    }
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it stands in README.
    fn table() -> String {
        let roles: Vec<Role> = Role::OF_PEOPLE.into_iter().chain([Writer]).collect();
        let row = |first: &str, cells: Vec<&str>| format!("| {first} | {} |\n", cells.join(" | "));
        let heading = row("may", roles.iter().map(|role| role.name()).collect());
        let line = row("---", roles.iter().map(|_| ":-:").collect());
        let marks = |action: Action| {
            roles.iter().map(|role| if role.may(action) { "✓" } else { "" }).collect()
        };
        let rows = Action::ALL.iter().map(|action| row(action.description(), marks(*action)));
        heading + &line + &rows.collect::<String>()
    }

    #[test]
    fn readme_says_what_each_role_may_do() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&table()), "README.md should have this table:\n{}", table());
    }

    #[test]
    fn a_vendor_sees_nothing_that_has_no_scope_and_a_writer_only_posts() {
        let of = |role: Role| role.actions().collect::<Vec<_>>();
        assert_eq!(of(Vendor), ["see_alerts", "handle_alerts", "silence", "own_password"]);
        assert_eq!(of(Writer), ["post_alerts"]);
        assert_eq!(of(Viewer), ["see_alerts", "see_all", "own_password"]);
        assert!(Role::of_people("writer").is_err() && Role::of_people("").is_err());
        assert!(role_and_scope("vendor", "").is_err() && role_and_scope("viewer", "a=b").is_err());
        assert!(role_and_scope("vendor", "a=b").is_ok() && role_and_scope("viewer", " ").is_ok());
        let text = Action::RunDrills.refusal(Viewer);
        assert!(text.contains("admin, operator, security, it-staff"), "{text}");
    }
}
