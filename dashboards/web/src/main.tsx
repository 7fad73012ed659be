// The pages' beginning: styles, the cache of answers, and the application.
import "@mantine/core/styles.css";
import "./styles.css";
import { createTheme, localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { getSession, VISITOR } from "./api/session";
import { App } from "./app";
import { Boundary } from "./components/Boundary";
import "./i18n";

// The darker shades: white text on the lighter ones has too little contrast.
const theme = createTheme({ primaryShade: 8, defaultRadius: "sm", cursorType: "pointer" });
const schemes = localStorageColorSchemeManager({ key: "haidang-colors" });

/** Whatever was asked: a session that has ended leads to the sign-in page. */
function leaveOn401(error: Error) {
  if (!(error instanceof ApiError) || error.status !== 401) return;
  const session = client.getQueryData<typeof VISITOR>(["session"]);
  if (session?.user) client.setQueryData(["session"], VISITOR);
}

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: leaveOn401 }),
  mutationCache: new MutationCache({ onError: leaveOn401 }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status >= 500 || error.status === 0),
    },
  },
});
client.setQueryDefaults(["session"], { queryFn: getSession, staleTime: 60_000 });

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={schemes}>
          <Boundary>
            <App />
          </Boundary>
        </MantineProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
