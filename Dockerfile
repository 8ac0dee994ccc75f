# Waymeet in a container.
#
#   docker build -t waymeet .
#   docker run -p 1883:1883 -p 8080:8080 -p 5683:5683/udp -v waymeet:/data -e WAYMEET_ANONYMOUS=true waymeet
#
# A container is reached from outside, so it asks who may come in: users (WAYMEET_AUTH_USERS=/data/users, written by
# `docker run -it -v waymeet:/data waymeet user add NAME --users /data/users`), or everybody, as above.

FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:22-slim
ENV NODE_ENV=production \
    WAYMEET_HOST=0.0.0.0 \
    WAYMEET_STORE_PATH=/data/store
WORKDIR /waymeet
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 1883 8883 8080 8443 5683/udp
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node is process 1 and hears SIGTERM itself; SIGHUP reloads.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
