import { connection } from '../graphql/connection.ts'
import type { Resolvers } from '../graphql/generated.ts'
import { writeId } from '../ids.ts'
import { translated } from '../languages.ts'
import { searchTerm } from '../name-keys.ts'
import { readRegionCode } from './code.ts'
import { pageRegions } from './store.ts'

export const regionResolvers: Resolvers = {
  Query: {
    region: (_, { code }, { loaders }) => loaders.regionByCode.load(readRegionCode(code)),
    regions: async (_, { filter, ...page }, { request }) =>
      connection(
        await pageRegions(
          request.db,
          {
            levels: filter?.levels,
            province: filter?.province == null ? null : readRegionCode(filter.province),
            name: filter?.name == null ? null : searchTerm(filter.name),
          },
          page,
        ),
      ),
  },
  Region: {
    id: region => writeId('Region', region.id),
    name: (region, { locale }, context) => translated(region.names, locale ?? context.locale)!,
    shortName: (region, { locale }, context) =>
      translated(region.shortNames, locale ?? context.locale) ?? translated(region.names, locale ?? context.locale)!,
    province: async (region, _, { loaders }) =>
      region.code === region.provinceCode ? region : (await loaders.regionByCode.load(region.provinceCode))!,
    parent: (region, _, { loaders }) => (region.parentCode ? loaders.regionByCode.load(region.parentCode) : null),
    coordinates: region => (region.longitude === null ? null : region),
  },
  Coordinates: {
    longitude: place => place.longitude!,
    latitude: place => place.latitude!,
  },
}
