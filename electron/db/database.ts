// A database connection as the table files see it: queries are built by Kysely, typed against the schema, and run at once
// on the one connection. Being synchronous, a transaction cannot be interleaved with another task's statements.
import {
  type Compilable,
  DummyDriver,
  Kysely,
  type RawBuilder,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Schema } from "./schema.ts";
import type { SqliteConnection, SqliteStatement } from "./sqlite.ts";
import { toAppError } from "./sqliteError.ts";

export interface Database {
  /** Builds queries; never executes them itself. */
  readonly build: Kysely<Schema>;
  all<Row>(query: Compilable<Row>): Row[];
  first<Row>(query: Compilable<Row>): Row | undefined;
  /** @returns how many rows changed. */
  run(query: Compilable<unknown>): number;
  allRaw<Row>(query: RawBuilder<Row>): Row[];
  /** All or nothing. May be nested: the outermost one decides. */
  transaction<Result>(work: () => Result): Result;
  /** SQLite's plan in words, for tests that an index is used. */
  plan(query: Compilable<unknown>): string;
  close(): void;
}

const statementCacheSize = 200;

function createBuilder(): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (kysely) => new SqliteIntrospector(kysely),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** @param folder named in error sentences. Errors of every function: AppError with the codes of sqliteError.ts. */
export function createDatabase(connection: SqliteConnection, folder: string): Database {
  const build = createBuilder();
  const statements = new Map<string, SqliteStatement>();

  function guarded<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw toAppError(error, folder);
    }
  }

  function prepare(sql: string): SqliteStatement {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    if (statements.size >= statementCacheSize) statements.clear();
    const statement: SqliteStatement = connection.prepare(sql);
    statements.set(sql, statement);
    return statement;
  }

  function rows<Row>(query: { sql: string; parameters: readonly unknown[] }): Row[] {
    return guarded(() => prepare(query.sql).all(...query.parameters) as Row[]);
  }

  return {
    build,
    all: (query) => rows(query.compile()),
    first<Row>(query: Compilable<Row>): Row | undefined {
      const { sql, parameters } = query.compile();
      return guarded(() => prepare(sql).get(...parameters) as Row | undefined);
    },
    run(query) {
      const { sql, parameters } = query.compile();
      return guarded(() => prepare(sql).run(...parameters).changes);
    },
    allRaw: (query) => rows(query.compile(build)),
    transaction: (work) => guarded(() => connection.transaction(work).immediate()),
    plan(query) {
      const { sql, parameters } = query.compile();
      const steps = connection.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[];
      return steps.map((step) => step.detail).join("\n");
    },
    close() {
      statements.clear();
      connection.close();
    },
  };
}
