//! Who may use which location.

use std::collections::BTreeSet;

/// Whether a user in `memberships` may join a location that names `groups`: no key at all admits every user, an
/// empty list nobody. Group names compare without regard to case.
pub fn may_join(groups: Option<&BTreeSet<String>>, memberships: &BTreeSet<String>) -> bool {
    let Some(groups) = groups else { return true };
    groups.iter().any(|group| memberships.iter().any(|member| member.eq_ignore_ascii_case(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn without_a_list_everybody_may_join() {
        assert!(may_join(None, &set(&[])));
    }

    #[test]
    fn with_an_empty_list_nobody_may_join() {
        assert!(!may_join(Some(&set(&[])), &set(&["ops"])));
    }

    #[test]
    fn one_common_group_is_enough() {
        assert!(may_join(Some(&set(&["dev", "ops"])), &set(&["OPS"])));
        assert!(!may_join(Some(&set(&["dev"])), &set(&["ops"])));
    }
}
