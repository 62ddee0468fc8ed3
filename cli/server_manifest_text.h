// The manifest of a server for Kubernetes, with places for what differs: @NAME@, @REPLICAS@, ….
// deploy/kustomize/base/server-default.yaml is made of it (a test compares them).
#pragma once

namespace center::cli {

inline constexpr char kServerManifestText[] =
    R"yaml(# The server "@NAME@", as by: centerctl server manifest @NAME@
# Where producers connect.
apiVersion: v1
kind: Service
metadata:
  name: center-@NAME@
  labels:
    app.kubernetes.io/name: center
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
spec:
  selector:
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
  ports:
    - {name: ingest, port: @PORT@, targetPort: ingest}
---
# The workers by name, also while they are not ready: what they have stored can be read.
apiVersion: v1
kind: Service
metadata:
  name: center-@NAME@-workers
  labels:
    app.kubernetes.io/name: center
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
  ports:
    - {name: grpc, port: 7072, targetPort: grpc@APP_PROTOCOL@}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: center-@NAME@
  labels:
    app.kubernetes.io/name: center
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
spec:
  maxUnavailable: 1
  # One that is not ready (its disk is full, say) does not hold up its node's maintenance.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/part-of: center
      app.kubernetes.io/component: worker
      center.v1/server: @NAME@
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: center-@NAME@
  labels:
    app.kubernetes.io/name: center
    app.kubernetes.io/part-of: center
    app.kubernetes.io/component: worker
    center.v1/server: @NAME@
  annotations:
    center.v1/producers: center-@NAME@
spec:
  serviceName: center-@NAME@-workers
  replicas: @REPLICAS@
  podManagementPolicy: Parallel
  # A journal outlives its worker: scaled up again, the slot goes on with it.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  selector:
    matchLabels:
      app.kubernetes.io/part-of: center
      app.kubernetes.io/component: worker
      center.v1/server: @NAME@
  template:
    metadata:
      labels:
        app.kubernetes.io/name: center
        app.kubernetes.io/part-of: center
        app.kubernetes.io/component: worker
        center.v1/server: @NAME@
    spec:
      serviceAccountName: center-worker
      automountServiceAccountToken: false
      enableServiceLinks: false
      # lame duck + drain timeout, and time to flush
      terminationGracePeriodSeconds: @GRACE@
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {type: RuntimeDefault}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {app.kubernetes.io/part-of: center, center.v1/server: @NAME@}
      containers:
        - name: worker
          image: @IMAGE@
          command:
            - /usr/local/bin/center-worker
            - --name=@NAME@/$(CENTER_SLOT)
            - --data-dir=/data/journal
            - --host=0.0.0.0
            - --port=@PORT@
            - --listen=0.0.0.0:7072
            # By its name, which is in its certificate; addresses change.
            - --advertise=$(CENTER_POD_NAME).center-@NAME@-workers.$(CENTER_POD_NAMESPACE).svc:7072
            - --coordinator=center-coordinator:7070
            - --http=0.0.0.0:7073
            - --lame-duck=5s
            - --drain-timeout=@DRAIN@
            - --log-format=json
@FLAGS@          env:
            - name: CENTER_SLOT
              valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
            - name: CENTER_POD_UID
              valueFrom: {fieldRef: {fieldPath: metadata.uid}}
            - name: CENTER_POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: CENTER_POD_NAMESPACE
              valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
          ports:
            - {name: ingest, containerPort: @PORT@}
            - {name: grpc, containerPort: 7072}
            - {name: http, containerPort: 7073}
          startupProbe:
            # Recovery reads the last segment only.
            httpGet: {path: /livez, port: http}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 1
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 512Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
@MOUNTS@      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
@VOLUMES@  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: @STORAGE@}}
)yaml";

}  // namespace center::cli
