//! Quotas and slots, counted anew.

use std::collections::{BTreeMap, HashMap};

use common::accept::period::ChargePeriod;
use common::db::{recovering, usage};
use common::ids::{AccountId, ExecutionId};
use common::limits::CLOCK_SKEW;
use common::queue::Period;
use common::queue::recovery::{self, Charged};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use super::Recovery;
use crate::duty::DutyError;

/// A month's period that has not ended began no longer ago.
const DAYS_LOOKED_BACK: i64 = 32;
const PAGE: u32 = 1_000;

/// What one account was charged, day by day.
#[derive(Debug)]
struct Account {
    anchor: Date,
    days: BTreeMap<Date, u64>,
}

impl Recovery<'_> {
    pub(super) async fn count(&self, now: Timestamp) -> Result<(), DutyError> {
        let mut accounts = self.usage(now).await?;
        self.add_without_row(&mut accounts).await?;
        let quotas: Vec<_> = accounts
            .iter()
            .flat_map(|(id, account)| {
                account
                    .charged(now)
                    .map(|(period, count)| (*id, period, count))
            })
            .map(|(id, period, count)| (id, period.name(), period.ends(), count))
            .collect();
        let charged: Vec<_> = quotas
            .iter()
            .map(|(account, name, ends, count)| Charged {
                account: *account,
                period: Period { name, ends: *ends },
                count: *count,
            })
            .collect();
        let failed = DutyError::queue("count");
        recovery::recount(&self.link, &charged)
            .await
            .map_err(&failed)?;
        recovery::promote_backlogs(&self.link)
            .await
            .map_err(&failed)?;
        Ok(())
    }

    async fn usage(&self, now: Timestamp) -> Result<HashMap<AccountId, Account>, DutyError> {
        let from = common::db::days::utc_day(now).saturating_sub(DAYS_LOOKED_BACK.days());
        let mut accounts: HashMap<_, Account> = HashMap::new();
        let mut after = None;
        loop {
            let page = usage::since(&self.client, from, after, PAGE)
                .await
                .map_err(DutyError::database("read the usage"))?;
            let Some(last) = page.last() else {
                return Ok(accounts);
            };
            after = Some((last.account, last.day));
            for row in page {
                let account = accounts.entry(row.account).or_insert_with(|| Account {
                    anchor: row.period_anchor,
                    days: BTreeMap::new(),
                });
                account.days.insert(row.day, row.accepted);
            }
        }
    }

    /// What is open in Redis and has no row yet is charged all the same.
    async fn add_without_row(
        &self,
        accounts: &mut HashMap<AccountId, Account>,
    ) -> Result<(), DutyError> {
        let missing = self.without_row().await?;
        let mut owners: Vec<_> = missing.values().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        for some in owners.chunks(PAGE as usize) {
            let periods = usage::periods(&self.client, some)
                .await
                .map_err(DutyError::database("read the periods"))?;
            for (account, anchor) in periods {
                accounts.entry(account).or_insert_with(|| Account {
                    anchor,
                    days: BTreeMap::new(),
                });
            }
        }
        for (id, account) in missing {
            if let Some(account) = accounts.get_mut(&account) {
                *account.days.entry(id.day()).or_default() += 1;
            }
        }
        Ok(())
    }

    async fn without_row(&self) -> Result<HashMap<ExecutionId, AccountId>, DutyError> {
        let mut missing = HashMap::new();
        let mut cursor = 0;
        loop {
            let (next, open) = recovery::survey(&self.link, cursor)
                .await
                .map_err(DutyError::queue("survey"))?;
            let ids: Vec<_> = open.iter().map(|one| one.id).collect();
            let known = recovering::with_row(&self.client, &ids)
                .await
                .map_err(DutyError::database("look for rows"))?;
            missing.extend(open.iter().map(|one| (one.id, one.owner.account)));
            for id in known {
                missing.remove(&id);
            }
            cursor = next;
            if cursor == 0 {
                return Ok(missing);
            }
        }
    }
}

impl Account {
    /// Every period in which an id of about now can be charged, with its count.
    fn charged(&self, now: Timestamp) -> impl Iterator<Item = (ChargePeriod, u64)> {
        let mut periods = Vec::new();
        for at in [now - CLOCK_SKEW, now, now + CLOCK_SKEW] {
            for period in [
                ChargePeriod::of_month(self.anchor, at),
                ChargePeriod::of_day(at),
            ] {
                if !periods.contains(&period) {
                    periods.push(period);
                }
            }
        }
        periods.into_iter().map(|period| {
            let days = self.days.range(period.first..period.next);
            (period, days.map(|(_, count)| count).sum())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_add_up_to_the_periods_around_now() {
        let days = [("2026-02-28", 5), ("2026-03-01", 3), ("2026-03-31", 2)];
        let account = Account {
            anchor: "2026-01-01".parse().unwrap(),
            days: days
                .iter()
                .map(|(day, count)| (day.parse().unwrap(), *count))
                .collect(),
        };
        let counts: Vec<_> = account
            .charged("2026-03-31T23:59:30Z".parse().unwrap())
            .map(|(period, count)| (period.name(), count))
            .collect();
        let expected = [
            ("2026-03-01", 5),
            ("2026-03-31 to 2026-04-01", 2),
            ("2026-04-01", 0),
            ("2026-04-01 to 2026-04-02", 0),
        ];
        assert_eq!(
            counts,
            expected.map(|(name, count)| (name.to_owned(), count))
        );
    }
}
