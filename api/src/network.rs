//! Hosts a version names: the field `network`, `{"allow": […]}`.

use std::collections::BTreeSet;

use common::limits;
use common::network::AllowedHost;
use common::plan::PlanLimits;

use crate::fields::Fields;

/// Sorted, each once: the spelling of a host and the order mean nothing.
pub(crate) fn take(fields: &mut Fields, plan: &PlanLimits) -> Vec<AllowedHost> {
    let Some(mut wanted) = fields.object("network") else {
        return Vec::new();
    };
    let bounds = (limits::NETWORK_HOSTS_MOST, limits::NETWORK_HOST_BYTES);
    let read = |text: &str| {
        text.parse::<AllowedHost>()
            .map_err(|wrong| wrong.to_string())
    };
    let hosts: BTreeSet<AllowedHost> = wanted.each("allow", bounds, read).into_iter().collect();
    let most = plan.hosts();
    if hosts.len() > most {
        wanted.wrong("allow", bound(most));
    }
    fields.close(wanted);
    hosts.into_iter().collect()
}

fn bound(most: usize) -> String {
    match most {
        0 => "no host may be named (your plan's bound)".to_owned(),
        most => format!("at most {most} hosts (your plan's bound)"),
    }
}

#[cfg(test)]
mod tests {
    use common::plan::{Plan, Plans};
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::FieldError;

    fn taken(plan: Plan, allow: &Value) -> Result<Vec<String>, Vec<FieldError>> {
        let mut fields = Fields::of(json!({"network": {"allow": allow}})).unwrap();
        let hosts = take(&mut fields, Plans::shipped().unwrap().of(plan));
        match fields.finish() {
            Ok(()) => Ok(hosts.iter().map(AllowedHost::to_string).collect()),
            Err(problem) => Err(problem.errors().to_vec()),
        }
    }

    fn refused(plan: Plan, allow: &Value) -> Vec<String> {
        let errors = taken(plan, allow).unwrap_err();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    fn hosts(count: usize) -> Value {
        (0..count).map(|n| format!("h{n}.example")).collect()
    }

    #[test]
    fn equal_hosts_are_one_in_one_order() {
        let allow = json!([
            "b.example",
            "A.example.:443",
            "*.b.example",
            "a.example:443"
        ]);
        assert_eq!(
            taken(Plan::Pro, &allow).unwrap(),
            ["a.example", "b.example", "*.b.example"]
        );
        // What is equal counts once.
        let twice = json!(vec!["a.example"; 6]);
        assert_eq!(taken(Plan::Builder, &twice).unwrap(), ["a.example"]);
    }

    #[test]
    fn each_mistake_is_told_at_its_own_place() {
        let allow = json!([
            7,
            "a.example",
            "",
            "http://a.example",
            null,
            "127.1",
            "b.example"
        ]);
        let places = [0, 2, 3, 4, 5].map(|place| format!("/network/allow/{place}"));
        assert_eq!(refused(Plan::Pro, &allow), places);
        for wrong in [json!("a.example"), json!({"a.example": 443}), json!(true)] {
            assert_eq!(refused(Plan::Pro, &wrong), ["/network/allow"], "{wrong}");
        }
        for (body, pointer) in [
            (json!({"network": ["a.example"]}), "/network"),
            (json!({"network": {"deny": []}}), "/network/deny"),
        ] {
            let mut fields = Fields::of(body).unwrap();
            take(&mut fields, Plans::shipped().unwrap().of(Plan::Pro));
            assert_eq!(fields.finish().unwrap_err().errors()[0].pointer, pointer);
        }
    }

    #[test]
    fn nothing_asked_for_is_allowed_in_every_plan() {
        for body in [
            json!({}),
            json!({"network": null}),
            json!({"network": {}}),
            json!({"network": {"allow": []}}),
        ] {
            let mut fields = Fields::of(body.clone()).unwrap();
            let free = take(&mut fields, Plans::shipped().unwrap().of(Plan::Free));
            assert!(free.is_empty() && fields.finish().is_ok(), "{body}");
        }
    }

    #[test]
    fn their_number_stands_on_the_plan_s_bound() {
        for (plan, most) in [
            (Plan::Free, 0),
            (Plan::Builder, 5),
            (Plan::Pro, 25),
            (Plan::Enterprise, limits::NETWORK_HOSTS_MOST),
            (Plan::Local, limits::NETWORK_HOSTS_MOST),
        ] {
            assert_eq!(taken(plan, &hosts(most)).unwrap().len(), most);
            assert_eq!(refused(plan, &hosts(most + 1)), ["/network/allow"]);
        }
    }

    #[test]
    fn a_host_s_text_stands_on_its_bound() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}.:65535", "a".repeat(61));
        assert_eq!(longest.len(), limits::NETWORK_HOST_BYTES);
        assert!(taken(Plan::Pro, &json!([longest])).is_ok());
        let longer = json!([format!("a{longest}")]);
        assert_eq!(refused(Plan::Pro, &longer), ["/network/allow/0"]);
    }
}
