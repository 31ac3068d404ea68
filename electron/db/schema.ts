// The tables as TypeScript sees them: column names and value types of the newest schema. The migrations are the truth;
// a difference shows in the tests of each table's file. Times are milliseconds since 1970, booleans are 0 or 1.
import type { Generated } from "kysely";

export interface ConversationsTable {
  id: string;
  /** Empty: not named yet. */
  title: string;
  created_at: number;
  updated_at: number;
  active_leaf_id: string | null;
  system_prompt: string;
  /** JSON of a partial sampler. */
  sampler: string;
  /** Set: hidden, and purged a day later. */
  deleted_at: number | null;
  pinned: Generated<number>;
  folder_id: Generated<string | null>;
  archived: Generated<number>;
  /** The model sees nothing above this message. */
  context_start_id: Generated<string | null>;
  /** Who named it: its first message, the model, or the user. */
  title_source: "text" | "model" | "user";
}

export interface FoldersTable {
  id: string;
  name: string;
  created_at: number;
}

export interface DraftsTable {
  /** A conversation's id, or '' for the one not made yet. */
  key: string;
  text: string;
}

export interface MessagesTable {
  /** Order of creation. */
  seq: Generated<number>;
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: "user" | "assistant";
  state: "complete" | "generating" | "interrupted" | "failed";
  created_at: number;
  /** Set: not shown, and purged a day later. */
  deleted_at: Generated<number | null>;
}

export interface MessagePartsTable {
  seq: Generated<number>;
  message_id: string;
  position: number;
  type: "text" | "reasoning";
  text: string;
  /** 1: the text is in message_search. A growing answer joins when it ends, so that a flush stays cheap. */
  indexed: number;
}

export interface AttachmentsTable {
  seq: Generated<number>;
  id: string;
  /** null: not sent yet. */
  message_id: string | null;
  /** Of an unsent one: a conversation's id, or '' for the one not made yet. */
  draft_key: string | null;
  /** Among those of its message. */
  position: Generated<number>;
  name: string;
  kind: "text" | "markdown" | "code" | "csv" | "pdf";
  language: string;
  bytes: number;
  /** UTF-16 length of the text. */
  characters: number;
  /** JSON of AttachmentFacts. */
  facts: string;
  text: string;
}

export interface SummariesTable {
  seq: Generated<number>;
  id: string;
  conversation_id: string;
  first_message_id: string;
  text: string;
  messages: number;
  edited: number;
  created_at: number;
  /** Set: hidden. */
  deleted_at: number | null;
}

export interface RunsTable {
  id: string;
  message_id: string;
  model_id: string;
  model_name: string;
  /** Empty until the file's hash is known. */
  model_sha256: string;
  template_id: string;
  /** JSON of a whole sampler. */
  sampler: string;
  seed: number;
  engine_version: string;
  started_at: number;
  stop_reason: string | null;
  /** JSON of a WireError without its details. */
  error: string | null;
  prompt_tokens: number | null;
  reused_tokens: number | null;
  generated_tokens: number | null;
  drafted_tokens: number | null;
  accepted_tokens: number | null;
  first_token_ms: number | null;
  prefill_ms: number | null;
  decode_ms: number | null;
  /** JSON of a RunPrompt. */
  prompt: Generated<string | null>;
  /** JSON of a ReuseReason. */
  reuse: Generated<string | null>;
  /** JSON of a Draft. */
  draft: Generated<string | null>;
  passes: Generated<number | null>;
  draft_ms: Generated<number | null>;
  plain_ms: Generated<number | null>;
  distinct_experts: Generated<number | null>;
  experts_used: Generated<number | null>;
}

export interface ExpertTracesTable {
  message_id: string;
  /** experts/traceCodec.ts */
  trace: Uint8Array;
}

export interface ConversationSteeringTable {
  conversation_id: string;
  /** JSON of a ConversationSteering. */
  steering: string;
}

export interface TemplatesTable {
  id: string;
  slug: string;
  /** The newest of its versions. */
  version: number;
  shipped: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface TemplateVersionsTable {
  template_id: string;
  version: number;
  /** JSON of a TemplateContent. */
  content: string;
  created_at: number;
}

export interface ConversationTemplatesTable {
  conversation_id: string;
  template_id: string;
  version: number;
  name: string;
  /** JSON of TemplateValues. */
  template_values: string;
}

export interface PrefixSnapshotsTable {
  key: string;
  template_id: string;
  model_sha256: string;
  tokens: number;
  bytes: number;
  ms_per_token: number;
  last_used_at: number;
}

export interface TemplateSavingsTable {
  template_id: string;
  uses: number;
  saved_ms: number;
}

export interface ModelsTable {
  id: string;
  name: string;
  path: string;
  source: "embedded" | "file";
  architecture: string;
  quantisation: string;
  file_bytes: number;
  /** Of the file when it was inspected: a change means inspecting and hashing again. */
  file_changed_at: number;
  layers: number;
  moe_layers: number;
  experts: number;
  experts_used: number;
  params: number;
  params_active: number;
  context_trained: number;
  sha256: string | null;
  added_at: number;
  last_used_at: number | null;
}

export interface SettingsTable {
  key: string;
  /** JSON. */
  value: string;
}

export interface MessageSearchTable {
  rowid: number;
  text: string;
  message_search: string;
}

export interface AttachmentSearchTable {
  rowid: number;
  name: string;
  text: string;
  attachment_search: string;
}

export interface ModelMemoryTable {
  model_id: string;
  /** JSON of what the load was asked for. */
  settings: string;
  placement: "gpu" | "hybrid" | "cpu";
  ram_bytes: number;
  ram_work_bytes: number;
  vram_bytes: number;
  measured_at: number;
}

export interface Schema {
  conversations: ConversationsTable;
  folders: FoldersTable;
  drafts: DraftsTable;
  messages: MessagesTable;
  message_parts: MessagePartsTable;
  attachments: AttachmentsTable;
  summaries: SummariesTable;
  runs: RunsTable;
  expert_traces: ExpertTracesTable;
  conversation_steering: ConversationSteeringTable;
  templates: TemplatesTable;
  template_versions: TemplateVersionsTable;
  conversation_templates: ConversationTemplatesTable;
  prefix_snapshots: PrefixSnapshotsTable;
  template_savings: TemplateSavingsTable;
  models: ModelsTable;
  model_memory: ModelMemoryTable;
  settings: SettingsTable;
  message_search: MessageSearchTable;
  attachment_search: AttachmentSearchTable;
}
