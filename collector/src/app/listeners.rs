//! The two doors: agents' and people's, and the secrets and addresses that a start leaves in files.
//! Promises: a file with a secret has mode 0600; an address is written once somebody listens there.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::{AGENTS_ADDRESS_FILE, AppError, Parts, SETUP_CODE_FILE, WEB_ADDRESS_FILE};
use crate::agents_api::AgentsApi;
use crate::alertmanager::{Figures, Manager};
use crate::api_tokens::ApiTokens;
use crate::authority::{self, Authority};
use crate::http::{Gate, WebApi};
use crate::ingest::Ingest;
use crate::outward::Outward;
use crate::push::Pushes;
use crate::reload::Reloader;
use crate::serve::Listener;
use crate::stores::StoresError;
use crate::{agents_api, clock, http, tls, token};

/// Browsers and tools at once; a further one waits in the kernel's queue.
const WEB_CONNECTIONS_MAX: usize = 1_000;

/// Alertmanager's default of `--data.retention`: its API shows silences that long after their end.
const SILENCES_KEPT_MS: i64 = 120 * 3_600_000;

impl Parts {
    pub(super) async fn listen_for_agents(
        &mut self,
        ingest: &Arc<Ingest>,
        authority: &Arc<Authority>,
    ) -> Result<(), AppError> {
        let agents = &self.config.agents;
        let bodies = usize::try_from(agents.bodies_bytes_max.0 / 1024).unwrap_or(usize::MAX);
        let api = AgentsApi {
            ingest: Arc::clone(ingest),
            authority: Arc::clone(authority),
            inventory: self.stores.inventory.clone(),
            certificate_lifetime_ms: agents.certificate_lifetime.as_millis(),
            bodies: Arc::new(Semaphore::new(bodies.min(Semaphore::MAX_PERMITS))),
            metrics: self.metrics.clone(),
        };
        let socket = listen("agents", agents.listen.0).await?;
        let listener = Listener {
            tls: Some(tls::for_agents(authority, clock::now_ms())?),
            router: agents_api::router(Arc::new(api)),
            connections_max: agents.connections_max,
            refused: self.metrics.connections_refused.clone(),
            name: "agents",
            socket,
        };
        self.announce(&listener.socket, AGENTS_ADDRESS_FILE)?;
        self.serve(listener);
        Ok(())
    }

    pub(super) async fn listen_for_people(
        &mut self,
        authority: &Arc<Authority>,
        reloader: Arc<Reloader>,
        pushes: Arc<Pushes>,
        outward: Outward,
    ) -> Result<(), AppError> {
        let web = self.config.web.clone();
        let inventory = self.stores.inventory.clone();
        let api_tokens = ApiTokens::open(inventory.clone()).await.map_err(StoresError::from)?;
        let alertmanager = Manager {
            alerting: self.stores.alerting.clone(),
            figures: Figures::new()?,
            started_ms: clock::now_ms(),
            silences_kept_ms: SILENCES_KEPT_MS,
        };
        let deeds = self.deeds();
        let api = WebApi {
            deeds,
            alertmanager: Arc::new(alertmanager),
            inventory,
            api_tokens,
            pushes,
            outward,
            push_bodies: http::push_bodies(),
            alerting: self.stores.alerting.clone(),
            events: Arc::clone(&self.stores.events),
            province: reloader.in_force().province.subscribe(),
            rules: reloader.in_force().rules.subscribe(),
            drills: Arc::clone(&reloader.in_force().drills),
            evaluation_interval_ms: i64::try_from(
                self.config.rules.evaluation_interval.0.as_millis(),
            )
            .unwrap_or(i64::MAX),
            places: http::Places::new(self.metrics.queries_cut.clone()),
            pictures: http::Pictures::default(),
            streams: http::stream_places(),
            users_changed: watch::Sender::new(()),
            seen: self.seen.clone(),
            arrived: self.arrived.subscribe(),
            started_ms: clock::now_ms(),
            stop: self.stop.clone(),
            authority: Arc::clone(authority),
            query: self.query.clone(),
            gate: self.gate().await?,
            metrics: self.metrics.clone(),
            health: self.health.subscribe(),
            session_lifetime_ms: web.session_lifetime_ms,
            secure_cookies: web.tls.is_some(),
            agents_port: self.config.agents.listen.0.port(),
            journal_damage: self.stores.journal_damage(),
            reloader,
        };
        let socket = listen("browsers", web.listen).await?;
        let tls = api.reloader.in_force().identity.clone().map(tls::for_people);
        let listener = Listener {
            socket,
            tls,
            router: http::router(Arc::new(api)),
            connections_max: WEB_CONNECTIONS_MAX,
            refused: self.metrics.connections_refused.clone(),
            name: "web",
        };
        self.announce(&listener.socket, WEB_ADDRESS_FILE)?;
        self.serve(listener);
        Ok(())
    }

    /// Makes the admin token and, while there is no user, the setup code, and leaves each in its file.
    async fn gate(&self) -> Result<Gate, AppError> {
        let secret_file = |path: &Path| -> Result<String, AppError> {
            let secret = token::random_secret()?;
            authority::write_secret(path, &secret)?;
            Ok(secret)
        };
        let admin = self.options.admin_token_file.as_deref().map(secret_file).transpose()?;
        let code_file = self.config.state_dir.join(SETUP_CODE_FILE);
        let nobody = self.stores.inventory.has_no_users().await.map_err(StoresError::from)?;
        let code = nobody.then(|| secret_file(&code_file)).transpose()?;
        let from_elsewhere = self.config.web.admin_token_from_elsewhere;
        Ok(Gate::new(admin.as_deref(), from_elsewhere, code.as_deref(), code_file))
    }

    /// At the stop, what people have asked for is done to its end.
    fn deeds(&mut self) -> TaskTracker {
        let (deeds, mut stop) = (TaskTracker::new(), self.stop.clone());
        let begun = deeds.clone();
        self.tasks.spawn(async move {
            drop(stop.wait_for(|stop| *stop).await);
            begun.close();
            begun.wait().await;
            Ok(())
        });
        deeds
    }

    fn announce(&self, socket: &TcpListener, file: &str) -> Result<(), AppError> {
        if let Ok(address) = socket.local_addr() {
            tracing::info!(%address, "listening: {file}");
            authority::write_secret(&self.config.state_dir.join(file), &address.to_string())?;
        }
        Ok(())
    }

    fn serve(&mut self, listener: Listener) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            listener.run(stop).await;
            Ok(())
        });
    }
}

async fn listen(
    what: &'static str,
    address: std::net::SocketAddr,
) -> Result<TcpListener, AppError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| AppError::Listen { what, address, source })
}
