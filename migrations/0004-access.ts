import { type Kysely, sql } from 'kysely'

/** Who may come in: accounts, officers, the secretariat's staff, portals and their tokens. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table accounts (
      id uuid primary key,
      name text not null,
      email text not null unique,
      is_secretariat boolean not null default false,
      created_at timestamptz(3) not null
    )`.execute(db)
  await sql`
    create table officers (
      account_id uuid not null references accounts (id),
      member_id uuid not null references members (id),
      role text not null check (role in ('REPRESENTATIVE', 'LIAISON', 'VIEWER')),
      created_at timestamptz(3) not null,
      primary key (account_id, member_id)
    )`.execute(db)
  await sql`create index on officers (member_id)`.execute(db)
  await sql`
    create table portals (
      id uuid primary key,
      name text not null,
      contact text not null,
      purpose text not null,
      member_id uuid references members (id),
      scopes text[] not null,
      created_at timestamptz(3) not null
    )`.execute(db)
  await sql`
    create table tokens (
      id uuid primary key,
      kind text not null check (kind in ('OFFICER', 'SECRETARIAT', 'PORTAL')),
      secret_hash bytea not null,
      account_id uuid references accounts (id),
      member_id uuid references members (id),
      portal_id uuid references portals (id),
      created_at timestamptz(3) not null,
      created_by text not null,
      expires_at timestamptz(3) not null,
      revoked_at timestamptz(3),
      revoked_by text,
      revoked_reason text,
      last_used_at timestamptz(3),
      check ((kind = 'PORTAL') = (portal_id is not null)),
      check ((kind = 'PORTAL') = (account_id is null)),
      check ((kind = 'OFFICER') = (member_id is not null)),
      foreign key (account_id, member_id) references officers (account_id, member_id)
    )`.execute(db)
  await sql`create index on tokens (member_id) where member_id is not null`.execute(db)
  await sql`create index on tokens (portal_id) where portal_id is not null`.execute(db)
  await sql`create index on tokens (account_id) where account_id is not null`.execute(db)
  await sql`
    create table idempotency_keys (
      actor text not null,
      operation text not null,
      key text not null,
      input_hash bytea not null,
      subject uuid not null,
      at timestamptz(3) not null,
      primary key (actor, operation, key)
    )`.execute(db)
  await sql`create index on idempotency_keys (at)`.execute(db)
}
