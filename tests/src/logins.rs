//! Log-ins that a story writes into the log its agent follows, each with a number of its own, and those that the
//! collector holds.

use crate::house::House;

/// The line of a log-in that just happened.
pub fn line(number: usize) -> String {
    #[allow(clippy::disallowed_methods, reason = "the clock of the story's log")]
    let at = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    format!(
        "{at} dc1 sshd[{number}]: Accepted publickey for story{number} from 203.0.113.9 port 22 ssh2"
    )
}

/// The numbers of the log-ins that the collector holds, in its order, each as often as it holds it.
pub async fn held(house: &House) -> anyhow::Result<Vec<usize>> {
    let messages = house.messages("text=Accepted").await?;
    let numbers = messages.iter().filter_map(|message| {
        let rest = message.split("story").nth(1)?;
        rest.split(' ').next()?.parse().ok()
    });
    Ok(numbers.collect())
}
