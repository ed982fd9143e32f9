//! `DELETE /v1/executions/{id}`: input, output, logs and error text of a finished
//! execution are gone; the row that counts stays.

use std::sync::Arc;

use common::db::executions::{self, Erased};

use super::{NO_SUCH, named, recorded_soon};
use crate::app::App;
use crate::call::Call;
use crate::fault::{Away as _, Refused as _};
use crate::problem::Problem;
use crate::routes::{Answer, nothing};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let (id, standing) = named(&app, &call, None).await?;
    if !standing.state().is_final() {
        return Err(Problem::NotFinished(standing.state()));
    }
    // The row first: what is not recorded yet would be recorded after it was erased.
    recorded_soon(&app, &call, (id, true)).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let erased = executions::erase(&client, account, id, app.now()).await;
    match erased.or_away()? {
        Erased::Done => {}
        Erased::NotFinished => return Err(Problem::RecordUnavailable("this is not recorded yet")),
        Erased::Unknown => return Err(NO_SUCH),
    }
    // PostgreSQL says it is erased, so no answer shows it any more; now the copy.
    app.accept.forget(account, id).await.or_refused()?;
    Ok(nothing())
}
