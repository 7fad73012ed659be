// Which page is shown: sign-in or setup for visitors, the pages by their address for everybody else.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { Route, Router, Switch } from "wouter";
import type { Session } from "./api/session";
import { listen } from "./api/live";
import { Answer, Loading } from "./components/Answer";
import { Page } from "./components/Page";
import { Shell } from "./components/Shell";
import { useText } from "./i18n";
import { useHashPath } from "./lib/address";
import Overview from "./pages/Overview";
import SignIn from "./pages/SignIn";

const Setup = lazy(() => import("./pages/Setup"));
const Hosts = lazy(() => import("./pages/Hosts"));
const Host = lazy(() => import("./pages/Host"));
const Alerts = lazy(() => import("./pages/Alerts"));
const History = lazy(() => import("./pages/History"));
const Events = lazy(() => import("./pages/Events"));
const Backups = lazy(() => import("./pages/Backups"));
const Drills = lazy(() => import("./pages/Drills"));
const Users = lazy(() => import("./pages/Users"));
const Audit = lazy(() => import("./pages/Audit"));
const DrillRun = lazy(() => import("./pages/DrillRun"));

export function App() {
  const session = useQuery<Session>({ queryKey: ["session"] });
  const [path] = useHashPath();
  return (
    <Router hook={useHashPath}>
      <Suspense fallback={<Loading />}>
        <Answer query={session}>
          {({ user, setup }) => {
            if (user) return <Pages user={user} />;
            return path === "/setup" ? <Setup /> : <SignIn setup={setup} />;
          }}
        </Answer>
      </Suspense>
    </Router>
  );
}

function Pages({ user }: { user: NonNullable<Session["user"]> }) {
  const client = useQueryClient();
  const First = user.may.includes("see_all") ? Overview : Alerts;
  useEffect(() => listen(client), [client]);
  return (
    <Shell user={user}>
      <Suspense fallback={<Loading />}>
        <Switch>
          <Route path="/" component={First} />
          <Route path="/setup" component={First} />
          <Route path="/hosts" component={Hosts} />
          <Route path="/hosts/:id">{({ id }) => <Host key={id} id={id} />}</Route>
          <Route path="/alerts" component={Alerts} />
          <Route path="/alerts/history" component={History} />
          <Route path="/events" component={Events} />
          <Route path="/backups" component={Backups} />
          <Route path="/drills" component={Drills} />
          <Route path="/users" component={Users} />
          <Route path="/audit" component={Audit} />
          <Route path="/drills/:run">{({ run }) => <DrillRun key={run} id={run} />}</Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}

function NotFound() {
  const { t } = useText();
  return (
    <Page title={t("app.not_found")}>
      <a href="#/">{t("nav.overview")}</a>
    </Page>
  );
}
